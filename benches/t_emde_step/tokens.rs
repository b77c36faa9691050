//! Linear against quadratic: one set of tokens through T-EMDE, and through self-attention.

use crate::measure::{Times, wait};
use burn::module::Module;
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::tensor::{Device, Tensor, TensorData};
use tailor::nn::{Assignment, Draw, TEmde, TEmdeConfig, initialise, unit};
use tailor::random::stream;

const DIM: usize = 1024;
const HEADS: usize = 8;
const TOKENS: [usize; 8] = [36, 64, 128, 256, 512, 1024, 2048, 4096];

/// A set of tokens `[1, tokens, dim]` to one vector.
enum Layer {
    Sketch(TEmde),
    Attention(Box<MultiHeadAttention>),
}

impl Layer {
    fn all(device: &Device) -> [(&'static str, Self); 3] {
        let sketch = |assignment| {
            let layer = TEmdeConfig::new(DIM).with_assignment(assignment).init(device);
            let drawn = initialise(layer, 1, |info| {
                (info.name == "weight").then_some(Draw::Normal { std: 1.0 })
            });
            Self::Sketch(drawn)
        };
        let attention = MultiHeadAttentionConfig::new(DIM, HEADS)
            .with_dropout(0.0)
            .init(device);
        [
            ("t_emde", sketch(Assignment::Hyperplanes)),
            ("t_emde_softmax", sketch(Assignment::Softmax)),
            ("self_attention", Self::Attention(Box::new(attention))),
        ]
    }

    fn valid(&self) -> Self {
        match self {
            Self::Sketch(layer) => Self::Sketch(layer.valid()),
            Self::Attention(layer) => Self::Attention(Box::new(layer.valid())),
        }
    }

    fn run(&self, x: Tensor<3>) -> Tensor<2> {
        let [_, tokens, dim] = x.dims();
        match self {
            Self::Sketch(layer) => {
                let mask = Tensor::ones([1, tokens], &x.device());
                layer.forward(x, mask)
            }
            Self::Attention(layer) => layer
                .forward(MhaInput::self_attn(x))
                .context
                .mean_dim(1)
                .reshape([1, dim]),
        }
    }
}

/// Milliseconds of every layer by the number of tokens, forwards, and forwards and backwards (to the parameters and the tokens).
pub fn curve(device: &Device, [warmup, steps]: [usize; 2]) {
    let graph = device.clone().autodiff();
    for tokens in TOKENS {
        let mut random = stream(1, "bench tokens", &[]);
        let values: Vec<f32> = (0..tokens * DIM).map(|_| random.normal() as f32).collect();
        let x = unit(
            Tensor::<3>::from_data(TensorData::new(values, [1, tokens, DIM]), device),
            2,
        );
        let tracked = Tensor::from_data(x.to_data(), &graph).require_grad();
        for (name, layer) in Layer::all(&graph) {
            let still = layer.valid();
            let time = |work: &dyn Fn()| {
                let mut times = Times::default();
                for step in 0..warmup + steps {
                    times.start();
                    work();
                    wait(device);
                    times.stop(step >= warmup);
                }
                (times.wall()[0] * 1000.0).round() / 1000.0
            };
            let forward = time(&|| drop(still.run(x.clone())));
            let both = time(&|| {
                // Squares of a vector of length 1 would have no gradient.
                let y = layer.run(tracked.clone()).powi_scalar(3).sum();
                drop(y.backward());
            });
            println!(
                "{}",
                serde_json::json!({ "what": "curve", "layer": name, "tokens": tokens, "forward_ms": forward, "both_ms": both })
            );
        }
    }
}
