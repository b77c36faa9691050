//! Which parameter belongs to which group, and how each group is updated.

use super::{GroupSection, Kind, OptimizerSection, Rule};
use crate::backbones::trunk::Depths;
use regex::Regex;

/// Parameters that share an update rule and a learning rate.
#[derive(Clone, Debug)]
pub struct Group {
    /// The pattern, or `base`.
    pub name: String,
    pattern: Option<Regex>,
    rule: Rule,
    /// The learning rate before the schedule.
    pub lr: f64,
    /// Whether the schedule applies.
    pub scheduled: bool,
    frozen: bool,
    frozen_epochs: u64,
}

impl Group {
    /// Its learning rate in an epoch (from 0): 0 before it thaws, none where it never does.
    pub fn rate_in(&self, epoch: u64, rate: f64) -> Option<f64> {
        match (self.frozen, epoch < self.frozen_epochs) {
            (true, _) => None,
            (false, true) => Some(0.0),
            (false, false) => Some(rate),
        }
    }
}

/// All groups of one phase; the first takes what no other matches.
#[derive(Clone, Debug)]
pub struct Groups {
    phase: Regex,
    groups: Vec<Group>,
    layer_decay: Option<f64>,
    depths: Depths,
}

impl Groups {
    /// The groups of a section, for the parameters that `phase` (a regular expression) selects. The text says which pattern is wrong.
    pub fn new(section: &OptimizerSection, phase: &str) -> Result<Self, String> {
        let compile =
            |text: &str| Regex::new(text).map_err(|e| format!("`{text}` is no regular expression: {e}"));
        let mut groups = vec![Group {
            name: "base".into(),
            pattern: None,
            rule: rule(section, None),
            lr: section.lr,
            scheduled: true,
            frozen: false,
            frozen_epochs: 0,
        }];
        for group in &section.groups {
            groups.push(Group {
                name: group.params.clone(),
                pattern: Some(compile(&group.params)?),
                rule: rule(section, Some(group)),
                lr: group.lr.unwrap_or(section.lr) * group.lr_factor.unwrap_or(1.0),
                scheduled: group.scheduled,
                frozen: group.frozen,
                frozen_epochs: group.frozen_epochs.unwrap_or(0),
            });
        }
        Ok(Self {
            phase: compile(phase)?,
            groups,
            layer_decay: section.layer_decay,
            depths: Depths::default(),
        })
    }

    /// Learns from the names of the model's parameters, in its order, how deep each lies: layer-wise decay needs it. The text says
    /// that there is no trunk to count in.
    pub fn with_layers<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        if self.layer_decay.is_some() {
            self.depths = Depths::of(paths);
            if self.depths.is_empty() {
                return Err(
                    "optimizer.layer_decay counts the blocks of a trunk, and this model has none".into(),
                );
            }
        }
        Ok(self)
    }

    /// What layer-wise decay multiplies a parameter's learning rate by.
    pub fn factor(&self, path: &str) -> f64 {
        match self.layer_decay {
            Some(decay) => decay.powi(self.depths.from_top(path) as i32),
            None => 1.0,
        }
    }

    /// The groups, the base one first.
    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// The index of a parameter's group: the last whose pattern matches.
    pub fn of(&self, path: &str) -> usize {
        self.groups
            .iter()
            .rposition(|g| g.pattern.as_ref().is_none_or(|p| p.is_match(path)))
            .unwrap_or(0)
    }

    pub(super) fn rule(&self, index: usize) -> &Rule {
        &self.groups[index].rule
    }

    /// Whether a parameter is updated in an epoch (from 0).
    pub fn trains(&self, path: &str, epoch: u64) -> bool {
        let group = &self.groups[self.of(path)];
        self.phase.is_match(path) && !group.frozen && epoch >= group.frozen_epochs
    }
}

fn rule(section: &OptimizerSection, group: Option<&GroupSection>) -> Rule {
    let weight_decay = group.and_then(|g| g.weight_decay).unwrap_or(section.weight_decay);
    let momentum = group.and_then(|g| g.momentum).unwrap_or(section.momentum);
    match group.and_then(|g| g.kind).unwrap_or(section.kind) {
        Kind::Sgd => Rule::Sgd {
            momentum,
            nesterov: section.nesterov,
            weight_decay,
        },
        kind => Rule::Adam {
            betas: section.betas,
            eps: section.eps,
            weight_decay,
            decoupled: kind == Kind::Adamw,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_match_wins_and_freezing_ends() {
        let section: OptimizerSection = toml::from_str(
            r#"
            kind = "sgd"
            lr = 1.0
            [[groups]]
            params = "^trunk\\."
            lr_factor = 0.1
            frozen_epochs = 2
            [[groups]]
            params = "bn"
            frozen = true
            "#,
        )
        .unwrap();
        let groups = Groups::new(&section, "").unwrap();
        assert_eq!(groups.of("classifier.weight"), 0);
        assert_eq!(groups.of("trunk.conv1.weight"), 1);
        assert_eq!(groups.of("trunk.bn1.weight"), 2);
        assert_eq!(groups.iter().map(|g| g.lr).collect::<Vec<_>>(), [1.0, 0.1, 1.0]);
        assert!(!groups.trains("trunk.conv1.weight", 1) && groups.trains("trunk.conv1.weight", 2));
        assert!(!groups.trains("trunk.bn1.weight", 9));
        let rates = |epoch| groups.iter().map(|g| g.rate_in(epoch, g.lr)).collect::<Vec<_>>();
        assert_eq!(rates(1), [Some(1.0), Some(0.0), None]);
        assert_eq!(rates(2), [Some(1.0), Some(0.1), None]);
        assert!(groups.trains("classifier.weight", 0));
        assert!(Groups::new(&section, "(").unwrap_err().contains("`(`"));
    }

    #[test]
    fn rates_decay_towards_the_input() {
        let section: OptimizerSection =
            toml::from_str("kind = 'sgd'\nlr = 1.0\nlayer_decay = 0.5\ngroups = []").unwrap();
        let names = [
            "trunk.conv1.weight",
            "trunk.bn1.weight",
            "trunk.layer1.0.conv1.weight",
            "trunk.layer1.1.conv1.weight",
            "head.weight",
        ];
        let groups = || Groups::new(&section, "").unwrap();
        let layers = groups().with_layers(names).unwrap();
        assert_eq!(
            names.map(|name| layers.factor(name)),
            [0.125, 0.125, 0.25, 0.5, 1.0]
        );
        assert!(
            groups()
                .with_layers(["head.weight"])
                .unwrap_err()
                .contains("layer_decay")
        );
        let plain: OptimizerSection = toml::from_str("kind = 'sgd'\nlr = 1.0").unwrap();
        let plain = Groups::new(&plain, "")
            .unwrap()
            .with_layers(["head.weight"])
            .unwrap();
        assert_eq!(plain.factor("head.weight"), 1.0);
    }
}
