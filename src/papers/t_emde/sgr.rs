//! SGR, similarity graph reasoning: the words' similarities inform the global one (Diao et al. 2021, section 3.3; the released code).

use crate::nn::host::matching::{self, Pairs, Step};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};

/// One step over the nodes `E` (the global one first): `E ← ReLU(softmax(Q Kᵀ) E W_r + b_r)` with `Q = E W_q + b_q`,
/// `K = E W_k + b_k`; nothing is divided by √d, and there is no residual.
#[derive(Module, Debug)]
pub struct GraphStep {
    /// W_q.
    pub graph_query_w: Linear,
    /// W_k.
    pub graph_key_w: Linear,
    /// W_r.
    pub sim_graph_w: Linear,
}

impl GraphStep {
    /// For similarity vectors of that length.
    pub fn init(dim: usize, device: &Device) -> Self {
        let linear = || LinearConfig::new(dim, dim).init(device);
        Self {
            graph_query_w: linear(),
            graph_key_w: linear(),
            sim_graph_w: linear(),
        }
    }

    /// How much each node takes from each, `[pairs, nodes or 1, nodes]`; a row's sum is 1. Nodes `[pairs, nodes, dim]` and what keeps
    /// padding out of the softmax, `[pairs, 1, nodes]` (0 or −∞).
    fn edges(&self, nodes: &Tensor<3>, outside: &Tensor<3>, only_first: bool) -> Tensor<3> {
        let keys = self.graph_key_w.forward(nodes.clone());
        let asking = match only_first {
            true => nodes.clone().narrow(1, 0, 1),
            false => nodes.clone(),
        };
        let queries = self.graph_query_w.forward(asking);
        softmax(queries.matmul(keys.swap_dims(1, 2)) + outside.clone(), 2)
    }

    fn forward(&self, nodes: Tensor<3>, edges: Tensor<3>) -> Tensor<3> {
        relu(self.sim_graph_w.forward(edges.matmul(nodes)))
    }
}

/// The steps, each with weights of its own; gives the global node.
///
/// Global similarity `[images, captions, dim]`, word similarities `[images, captions, tokens, dim]` and their mask
/// `[1 or images, captions, tokens]` → `[images, captions, dim]`. Of the last step only the global node is computed: nothing reads the
/// others.
pub fn reason(steps: &[GraphStep], whole: Tensor<3>, words: Tensor<4>, mask: Tensor<3>) -> Tensor<3> {
    reason_with(steps, whole, words, mask, &mut |_| {})
}

/// [`reason`], which shows the edges of every step, `[images · captions, nodes, nodes]`, those of the last `[images · captions, 1, nodes]`.
pub fn reason_with(
    steps: &[GraphStep],
    whole: Tensor<3>,
    words: Tensor<4>,
    mask: Tensor<3>,
    see: &mut dyn FnMut(&Tensor<3>),
) -> Tensor<3> {
    let [images, captions, tokens, dim] = words.dims();
    let pairs = images * captions;
    let outside = mask
        .expand([images, captions, tokens])
        .reshape([pairs, 1, tokens])
        .equal_elem(0.0);
    let zeros = Tensor::<3>::zeros([pairs, 1, 1 + tokens], &words.device());
    let outside = Tensor::cat(
        vec![
            zeros.clone().narrow(2, 0, 1),
            zeros.narrow(2, 1, tokens).mask_fill(outside, f32::NEG_INFINITY),
        ],
        2,
    );
    let mut nodes = Tensor::cat(
        vec![
            whole.reshape([pairs, 1, dim]),
            words.reshape([pairs, tokens, dim]),
        ],
        1,
    );
    for (index, step) in steps.iter().enumerate() {
        let edges = step.edges(&nodes, &outside, index + 1 == steps.len());
        see(&edges);
        nodes = step.forward(nodes, edges);
    }
    nodes.narrow(1, 0, 1).reshape([images, captions, dim])
}

/// The same of some pairs, `[pairs, dim]`: global similarities `[pairs, dim]`, word similarities `[rows, dim]`. The CPU's own operations;
/// `None` on other devices.
pub fn on_host(
    steps: &[GraphStep],
    whole: &Tensor<2>,
    words: &Tensor<2>,
    pairs: &Pairs,
) -> Option<Tensor<2>> {
    if whole.device().is_autodiff() {
        return in_graph(steps, whole, words, pairs);
    }
    let steps: Vec<Step> = steps
        .iter()
        .map(|step| {
            let of = |linear: &Linear| Some((linear.weight.val(), linear.bias.as_ref()?.val()));
            Some(Step {
                query: of(&step.graph_query_w)?,
                key: step.graph_key_w.weight.val(),
                out: of(&step.sim_graph_w)?,
            })
        })
        .collect::<Option<_>>()?;
    matching::reasoned(whole, words, &steps, pairs)
}

/// In a graph, one operation a step, with `Q Kᵀ = (E M + u) Eᵀ` where `M = W_q W_kᵀ` and `u = W_k b_q`; what is left out is the same for
/// every key. `b_k` has no influence, and hears so.
fn in_graph(steps: &[GraphStep], whole: &Tensor<2>, words: &Tensor<2>, pairs: &Pairs) -> Option<Tensor<2>> {
    let mut nodes = Tensor::cat(vec![whole.clone(), words.clone()], 0);
    for (index, step) in steps.iter().enumerate() {
        let bias = |linear: &Linear| Some(linear.bias.as_ref()?.val().unsqueeze::<2>());
        let key = step.graph_key_w.weight.val();
        let asked = step.graph_query_w.weight.val().matmul(key.clone().transpose());
        let shift = bias(&step.graph_query_w)?.matmul(key.transpose()) + bias(&step.graph_key_w)? * 0.0;
        let (weight, out_bias) = (step.sim_graph_w.weight.val(), bias(&step.sim_graph_w)?);
        let last = index + 1 == steps.len();
        nodes = matching::graph_step(&nodes, [&asked, &shift], [&weight, &out_bias], pairs, last)?;
    }
    Some(nodes)
}
