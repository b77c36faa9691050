//! The losses of one step as one small device tensor, so that many steps are read back at once.

use burn::tensor::Tensor;

/// Collects named device scalars.
pub struct StepRecord {
    /// Whether names carry their phase.
    phases: bool,
    values: Vec<(String, Tensor<1>, bool)>,
}

impl StepRecord {
    /// An empty record; `phases` if the step has several.
    pub fn new(phases: bool) -> Self {
        Self {
            phases,
            values: Vec::new(),
        }
    }

    fn name(&self, phase: &str, name: &str) -> String {
        match self.phases {
            true => format!("{phase}/{name}"),
            false => name.to_string(),
        }
    }

    fn add(&mut self, name: String, value: Tensor<1>, mean: bool) {
        let value = if value.is_autodiff() { value.inner() } else { value };
        match self.values.iter_mut().find(|(n, _, _)| *n == name) {
            Some((_, sum, _)) => *sum = sum.clone() + value,
            None => self.values.push((name, value, mean)),
        }
    }

    /// A batch's total loss and its terms; batches of one step are averaged.
    pub fn losses(&mut self, phase: &str, total: &Tensor<1>, terms: Vec<(&'static str, Tensor<1>)>) {
        self.add(self.name(phase, "loss"), total.clone(), true);
        for (name, value) in terms {
            self.add(self.name(phase, name), value, true);
        }
    }

    /// A value that there is one of in a step.
    pub fn value(&mut self, phase: &str, name: &str, value: Tensor<1>) {
        self.add(self.name(phase, name), value, false);
    }

    /// The names, and the values `[names]` with losses averaged over `batches`.
    pub fn finish(self, batches: u64) -> (Vec<String>, Tensor<1>) {
        let mut names = Vec::new();
        let mut values = Vec::new();
        for (name, value, mean) in self.values {
            names.push(name);
            values.push(match mean && batches > 1 {
                true => value / batches as f64,
                false => value,
            });
        }
        (names, Tensor::cat(values, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_averaged_over_batches_and_single_values_are_not() {
        let device = crate::device::cpu();
        let scalar = |x: f32| Tensor::<1>::from_floats([x], &device);
        let mut record = StepRecord::new(false);
        record.losses("model", &scalar(1.0), vec![("id", scalar(0.25))]);
        record.losses("model", &scalar(2.0), vec![("id", scalar(0.75))]);
        record.value("model", "grad_norm", scalar(7.0));
        let (names, values) = record.finish(2);
        assert_eq!(names, ["loss", "id", "grad_norm"]);
        assert_eq!(
            values.into_data().try_into_vec_as::<f32>().unwrap(),
            [1.5, 0.5, 7.0]
        );
    }
}
