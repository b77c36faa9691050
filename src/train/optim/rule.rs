//! The update rules, on one flattened parameter: Adam (Kingma & Ba 2015, algorithm 1), AdamW (Loshchilov & Hutter 2019,
//! algorithm 2) and SGD with momentum, in torch's forms.

use super::fused;
use burn::tensor::Tensor;

/// An update rule with its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Adam; `decoupled` weight decay makes it AdamW.
    Adam {
        /// Decay rates of the moments.
        betas: [f64; 2],
        /// Added to the denominator.
        eps: f64,
        /// Weight decay.
        weight_decay: f64,
        /// Decay the weight rather than add to the gradient.
        decoupled: bool,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// Momentum; 0 keeps no buffer.
        momentum: f64,
        /// Nesterov's form.
        nesterov: bool,
        /// Weight decay.
        weight_decay: f64,
    },
}

/// The state of one parameter.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// Updates so far.
    pub steps: u64,
    /// Adam's first moment or SGD's momentum, `[elements]`.
    pub first: Option<Tensor<1>>,
    /// Adam's second moment, `[elements]`.
    pub second: Option<Tensor<1>>,
}

impl Rule {
    /// The updated parameter, `[elements]`, from the parameter and its gradient.
    pub fn step(&self, lr: f64, param: Tensor<1>, grad: Tensor<1>, slot: &mut Slot) -> Tensor<1> {
        match fused::step(self, lr, param, grad, slot) {
            Ok(updated) => updated,
            Err((param, grad)) => self.step_by_tensors(lr, param, grad, slot),
        }
    }

    fn step_by_tensors(&self, lr: f64, param: Tensor<1>, grad: Tensor<1>, slot: &mut Slot) -> Tensor<1> {
        slot.steps += 1;
        match *self {
            Rule::Adam {
                betas: [b1, b2],
                eps,
                weight_decay,
                decoupled,
            } => {
                let (param, grad) = match (weight_decay > 0.0, decoupled) {
                    (false, _) => (param, grad),
                    (true, true) => (param * (1.0 - lr * weight_decay), grad),
                    (true, false) => {
                        let grad = grad + param.clone() * weight_decay;
                        (param, grad)
                    }
                };
                let first = match slot.first.take() {
                    Some(first) => first * b1 + grad.clone() * (1.0 - b1),
                    None => grad.clone() * (1.0 - b1),
                };
                let square = grad.clone() * grad;
                let second = match slot.second.take() {
                    Some(second) => second * b2 + square * (1.0 - b2),
                    None => square * (1.0 - b2),
                };
                let t = slot.steps as f64;
                let step = lr / (1.0 - b1.powf(t));
                let root = (1.0 - b2.powf(t)).sqrt();
                let denominator = second.clone().sqrt() / root + eps;
                let updated = param - first.clone() / denominator * step;
                slot.first = Some(first);
                slot.second = Some(second);
                updated
            }
            Rule::Sgd {
                momentum,
                nesterov,
                weight_decay,
            } => {
                let grad = match weight_decay > 0.0 {
                    true => grad + param.clone() * weight_decay,
                    false => grad,
                };
                if momentum == 0.0 {
                    return param - grad * lr;
                }
                let buffer = match slot.first.take() {
                    Some(buffer) => buffer * momentum + grad.clone(),
                    None => grad.clone(),
                };
                slot.first = Some(buffer.clone());
                let direction = match nesterov {
                    true => grad + buffer * momentum,
                    false => buffer,
                };
                param - direction * lr
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rule: Rule, steps: usize) -> f64 {
        let device = crate::device::cpu();
        let mut slot = Slot::default();
        let mut param = Tensor::<1>::from_floats([1.0], &device);
        for _ in 0..steps {
            // The loss is p², so that the gradient is 2p.
            let grad = param.clone() * 2.0;
            param = rule.step(0.1, param, grad, &mut slot);
        }
        f64::from(param.into_data().try_into_vec_as::<f32>().unwrap()[0])
    }

    #[test]
    fn sgd_follows_its_recurrence() {
        let rule = |momentum, nesterov, weight_decay| Rule::Sgd {
            momentum,
            nesterov,
            weight_decay,
        };
        // 1 - 0.1·2 = 0.8; 0.8 - 0.1·1.6 = 0.64.
        assert!((run(rule(0.0, false, 0.0), 2) - 0.64).abs() < 1e-6);
        // Buffer 2 → 0.8; buffer 0.9·2 + 1.6 = 3.4 → 0.46.
        assert!((run(rule(0.9, false, 0.0), 2) - 0.46).abs() < 1e-6);
        // First step: gradient 2 + 0.9·2 = 3.8 → 0.62.
        assert!((run(rule(0.9, true, 0.0), 1) - 0.62).abs() < 1e-6);
        // Weight decay 0.5 adds 0.5·1 to the gradient: 1 - 0.1·2.5.
        assert!((run(rule(0.0, false, 0.5), 1) - 0.75).abs() < 1e-6);
    }

    #[test]
    fn adam_follows_its_recurrence() {
        let rule = |weight_decay, decoupled| Rule::Adam {
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay,
            decoupled,
        };
        // Step 1 moves by lr. Step 2: g = 1.8, m = 0.36, v = 0.007236; m̂ = 1.894737, √v̂ = 1.902580.
        assert!((run(rule(0.0, false), 1) - 0.9).abs() < 1e-6);
        assert!((run(rule(0.0, false), 2) - 0.800_412_23).abs() < 1e-5);
        // Decoupled decay 0.5: 1·(1 - 0.1·0.5) - 0.1.
        assert!((run(rule(0.5, true), 1) - 0.85).abs() < 1e-6);
        // Coupled decay does not change the first step's length.
        assert!((run(rule(0.5, false), 1) - 0.9).abs() < 1e-6);
    }

    #[test]
    fn one_pass_gives_the_bits_of_many() {
        let adam = |weight_decay, decoupled| Rule::Adam {
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay,
            decoupled,
        };
        let sgd = |momentum, nesterov, weight_decay| Rule::Sgd {
            momentum,
            nesterov,
            weight_decay,
        };
        let rules = [
            adam(0.0, false),
            adam(5e-4, false),
            adam(1e-2, true),
            sgd(0.0, false, 0.0),
            sgd(0.0, false, 1e-3),
            sgd(0.9, false, 1e-3),
            sgd(0.9, true, 0.0),
        ];
        let noise = |seed| {
            let mut stream = crate::random::stream(seed, "test: update rules", &[]);
            // Longer than a chunk, and no multiple of anything.
            let mut values: Vec<f32> = (0..20_011).map(|_| stream.normal() as f32).collect();
            (values[0], values[1]) = (0.0, -0.0);
            Tensor::<1>::from_data(values.as_slice(), &crate::device::cpu())
        };
        let bits = |x: &Tensor<1>| -> Vec<u32> {
            let values: Vec<f32> = x.to_data().try_into_vec_as().unwrap();
            values.into_iter().map(f32::to_bits).collect()
        };
        for rule in rules {
            let (mut a, mut b) = (noise(1), noise(1));
            let (mut slot_a, mut slot_b) = (Slot::default(), Slot::default());
            for step in 0..3 {
                let kept = a.clone();
                let before = bits(&kept);
                a = fused::step(&rule, 0.01, a, noise(2 + step), &mut slot_a).unwrap();
                b = rule.step_by_tensors(0.01, b, noise(2 + step), &mut slot_b);
                assert_eq!(bits(&a), bits(&b), "{rule:?} {step}");
                assert_eq!(
                    bits(&kept),
                    before,
                    "another holder of the parameter saw it change"
                );
            }
            assert_eq!(slot_a.steps, slot_b.steps);
            for (a, b) in [(slot_a.first, slot_b.first), (slot_a.second, slot_b.second)] {
                assert_eq!(a.as_ref().map(bits), b.as_ref().map(bits), "{rule:?}");
            }
        }
    }
}
