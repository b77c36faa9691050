//! The settings of re-ranking, from a recipe or a command line.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::search::SearchError;

/// The three settings, by default the paper's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rerank {
    /// Neighbours that are looked at for reciprocity.
    #[schemars(range(min = 1))]
    pub k1: usize,
    /// Neighbours that weights are averaged over, the item itself the first.
    #[schemars(range(min = 1))]
    pub k2: usize,
    /// The share of the plain distance in the new one.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lambda: f64,
}

impl Default for Rerank {
    fn default() -> Self {
        Self {
            k1: 20,
            k2: 6,
            lambda: 0.3,
        }
    }
}

impl Rerank {
    /// Refuses settings out of their ranges.
    pub(super) fn check(&self) -> Result<(), SearchError> {
        let fail = |setting, value: String, remedy| {
            Err(SearchError::Setting {
                setting,
                problem: format!("is {value}"),
                remedy,
            })
        };
        if self.k1 == 0 || self.k1 > 10_000 {
            return fail(
                "rerank.k1",
                self.k1.to_string(),
                "give 1 to 10,000 neighbours; the paper has 20",
            );
        }
        if self.k2 == 0 || self.k2 > self.k1 + 1 {
            return fail(
                "rerank.k2",
                self.k2.to_string(),
                "give 1 to k1 + 1; the paper has 6",
            );
        }
        if !(0.0..=1.0).contains(&self.lambda) {
            return fail(
                "rerank.lambda",
                self.lambda.to_string(),
                "give a share from 0 to 1; the paper has 0.3",
            );
        }
        Ok(())
    }
}

impl fmt::Display for Rerank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k1 {}, k2 {}, λ {}", self.k1, self.k2, self.lambda)
    }
}

/// `20,6,0.3`: k1, k2 and λ.
impl FromStr for Rerank {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let read = || -> Option<Self> {
            let [k1, k2, lambda] = parts.as_slice() else {
                return None;
            };
            Some(Self {
                k1: k1.parse().ok()?,
                k2: k2.parse().ok()?,
                lambda: lambda.parse().ok()?,
            })
        };
        read().filter(|settings| settings.check().is_ok()).ok_or_else(|| {
            "write K1,K2,LAMBDA such as 20,6,0.3, with k2 at most k1 + 1 and λ from 0 to 1".into()
        })
    }
}
