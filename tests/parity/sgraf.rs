//! The hosts of T-EMDE against SGRAF's released code, at full size: scores, loss, gradients of every parameter, running statistics.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use tailor::backbones::weights::{Import, Tensors, apply, collect};
use tailor::losses::HardestHinge;
use tailor::nn::Lengths;
use tailor::papers::t_emde::{
    EncoderConfig, GlobalKind, Head, ImageEncoder, RELEASED_NAMES, Similarity, SimilarityConfig, TextEncoder,
    released_name,
};

use crate::fixtures::{Fixture, close, json, values};
use crate::networks::{centred, filled, u};

#[derive(Module, Debug)]
struct Host {
    image: ImageEncoder,
    text: TextEncoder,
    similarity: Similarity,
}

struct Case {
    host: Host,
    regions: Tensor<3>,
    ids: Tensor<2, Int>,
    lengths: Lengths,
}

fn case(head: &str, device: &Device) -> Case {
    let about = json("sgraf.json");
    let words = about["words"].as_u64().unwrap() as usize;
    let lengths: Vec<usize> = about["lengths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_u64().unwrap() as usize)
        .collect();
    let keys = about["keys"][head].as_array().unwrap();
    let mut tensors = Tensors::new();
    for (t, entry) in keys.iter().enumerate() {
        let [encoder, key] = [0, 1].map(|i| entry[i].as_str().unwrap());
        let shape: Vec<usize> = entry[2]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap() as usize)
            .collect();
        let bound = (6.0 / shape.iter().sum::<usize>() as f64).sqrt();
        let data = filled(t as u32, &shape, |u| match key.rsplit('.').next().unwrap() {
            "running_mean" => 0.1 * centred(u),
            "running_var" => 0.5 + u,
            _ if key == "embed.weight" => 0.5 * centred(u),
            _ if shape.len() == 2 => bound * centred(u),
            "weight" => 0.5 + u,
            _ => 0.2 * centred(u),
        });
        tensors.insert(format!("{encoder}.{key}"), data);
    }
    let encoders = EncoderConfig::new(words).with_dropout(0.0);
    let global = GlobalKind::SelfAttention {
        regions: 36,
        dropout: 0.0,
    };
    let head = match head {
        "saf" => Head::Saf,
        _ => Head::Sgr { steps: 3 },
    };
    let host = Host {
        image: encoders.image(device),
        text: encoders.text(device),
        similarity: SimilarityConfig::new(1024, global, head).init(device),
    };
    let import = Import {
        rename: RELEASED_NAMES
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .to_vec(),
        ..Import::default()
    };
    let (host, report) = apply(host, &tensors, &import).expect("the reference's weights fit");
    assert_eq!(report.loaded.len(), tensors.len());
    let (rows, longest) = (lengths.len(), lengths[0]);
    let ids: Vec<i32> = (0..rows * longest)
        .map(|j| match j % longest < lengths[j / longest] {
            true => (u(2_000_000, j as u32) * words as f64) as i32,
            false => 0,
        })
        .collect();
    Case {
        host,
        regions: Tensor::from_data(filled(1_000_000, &[rows, 36, 2048], centred), device),
        ids: Tensor::from_data(TensorData::new(ids, [rows, longest]), device),
        lengths: Lengths::new(lengths, longest),
    }
}

impl Case {
    fn scores(&self, host: &Host) -> Tensor<2> {
        let regions = host.image.forward(self.regions.clone());
        let words = host.text.forward(self.ids.clone(), &self.lengths);
        let images = host.similarity.images(regions);
        let captions = host.similarity.captions(words, self.lengths.clone());
        sigmoid(host.similarity.all(&images, &captions))
    }
}

/// The gradients of all parameters by the reference's names, in its layout.
struct ByName<'a> {
    grads: &'a Gradients,
    names: Vec<(String, String)>,
    found: BTreeMap<String, Vec<f64>>,
}

impl ModuleVisitor for ByName<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.names.push((name.to_owned(), container.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.names.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(grad) = param.val().grad(self.grads) else {
            return;
        };
        let linear = D == 2 && self.names.last().is_some_and(|(_, c)| c.ends_with("Linear"));
        let grad = if linear { grad.swap_dims(0, 1) } else { grad };
        let path: Vec<&str> = self.names.iter().map(|(name, _)| name.as_str()).collect();
        self.found.insert(released_name(&path.join(".")), values(grad));
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn parity(head: &str) {
    let fixture = Fixture::read(&format!("sgraf_{head}.safetensors"));
    let device = Device::flex();
    let plain = case(head, &device);
    close(
        "evaluation",
        &values(plain.scores(&plain.host)),
        fixture.get("eval"),
        1e-6,
    );
    drop(plain);

    let device = Device::flex().autodiff();
    let case = case(head, &device);
    let scores = case.scores(&case.host);
    close(
        "training",
        &values(scores.clone().inner()),
        fixture.get("train"),
        1e-6,
    );
    let loss = HardestHinge::new(0.2).forward(scores);
    close("loss", &values(loss.clone().inner()), fixture.get("loss"), 1e-6);
    let grads = loss.backward();
    let mut by_name = ByName {
        grads: &grads,
        names: Vec::new(),
        found: BTreeMap::new(),
    };
    case.host.visit(&mut by_name);
    let found = by_name.found;
    let whole = norm(&found.values().map(|g| norm(g)).collect::<Vec<_>>());
    let mut compared = 0;
    for name in fixture.names() {
        let Some(key) = name.strip_suffix(".grad") else {
            continue;
        };
        let ours = found.get(key).unwrap_or_else(|| panic!("{key} has no gradient"));
        let theirs = fixture.get(name);
        let sampled: Vec<f64> = ours.iter().copied().step_by(ours.len().div_ceil(64)).collect();
        assert_eq!(sampled.len(), theirs.len(), "{name}");
        // A bias before a batch norm or a softmax has no influence: its gradient is rounding, here and there.
        let off = norm(&sampled.iter().zip(theirs).map(|(a, b)| a - b).collect::<Vec<_>>());
        let allowed = 1e-4 * norm(theirs) + 1e-6 * whole;
        assert!(
            off <= allowed,
            "{name}: off by {off:.2e}, more than {allowed:.2e}"
        );
        let length = fixture.get(&format!("{name}.norm"))[0];
        assert!(
            (norm(ours) - length).abs() <= 1e-4 * length + 1e-6 * whole,
            "{name}"
        );
        compared += 1;
    }
    assert_eq!(compared, found.len(), "parameters without a counterpart");

    // A second pass: every caption took its step in the filtration's statistics, twice.
    case.scores(&case.host);
    let state = collect(&case.host);
    let state: Tensors = state
        .into_iter()
        .map(|(name, data)| (released_name(&name), data))
        .collect();
    for name in fixture.names().filter(|name| name.contains("running")) {
        let ours: Vec<f32> = state[name].clone().try_into_vec_as().unwrap();
        let ours: Vec<f64> = ours.iter().copied().map(f64::from).collect();
        let sampled: Vec<f64> = ours.iter().copied().step_by(ours.len().div_ceil(64)).collect();
        close(name, &sampled, fixture.get(name), 1e-5);
    }
}

#[test]
fn saf_is_the_hosts() {
    parity("saf");
}

#[test]
fn sgr_is_the_hosts() {
    parity("sgr");
}
