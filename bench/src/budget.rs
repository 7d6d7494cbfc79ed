//! `budget.toml`: ratios that were reached and must be kept.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    #[serde(default, rename = "ratio")]
    ratios: Vec<Ratio>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quantity {
    /// Requests per second.
    Throughput,
    /// CPU time per request.
    Cpu,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratio {
    name: String,
    what: Quantity,
    of: String,
    to: String,
    connections: u32,
    min: Option<f64>,
    max: Option<f64>,
}

/// What became of one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// Within its limits.
    Kept,
    /// Outside.
    Fell,
    /// One of its peers was not measured.
    NotMeasured,
}

/// One budget, compared with what was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    /// The ratio, if both peers were measured.
    pub(crate) value: Option<f64>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) standing: Standing,
}

impl Budget {
    /// Reads and checks the file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let budget: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        match budget.ratios.iter().find(|ratio| ratio.min.is_none() && ratio.max.is_none()) {
            Some(ratio) => Err(format!("ratio {} has neither min nor max", ratio.name)),
            None => Ok(budget),
        }
    }

    /// Compares every ratio; `measured` gives a peer's figure, if there is one.
    pub(crate) fn judge(&self, measured: impl Fn(&str, u32, Quantity) -> Option<f64>) -> Vec<Verdict> {
        let verdict = |ratio: &Ratio| {
            let figure = |peer: &str| measured(peer, ratio.connections, ratio.what);
            let value = match (figure(&ratio.of), figure(&ratio.to)) {
                (Some(of), Some(to)) if to > 0.0 => Some(of / to),
                _ => None,
            };
            let standing = match value {
                None => Standing::NotMeasured,
                Some(value) if ratio.min.is_some_and(|min| value < min) || ratio.max.is_some_and(|max| value > max) => {
                    Standing::Fell
                }
                Some(_) => Standing::Kept,
            };
            Verdict { name: ratio.name.clone(), value, min: ratio.min, max: ratio.max, standing }
        };
        self.ratios.iter().map(verdict).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[[ratio]]\nname = \"r\"\nwhat = \"throughput\"\nof = \"a\"\nto = \"b\"\nconnections = 64\n";

    fn standing(limits: &str, a: Option<f64>) -> Standing {
        let budget = Budget::parse(&format!("{FILE}{limits}")).expect("a valid budget");
        budget.judge(|peer, _, _| if peer == "a" { a } else { Some(100.0) })[0].standing
    }

    #[test]
    fn limits_decide() {
        let cases = [
            ("min = 0.5", Some(50.0), Standing::Kept),
            ("min = 0.5", Some(49.0), Standing::Fell),
            ("max = 1.8", Some(180.0), Standing::Kept),
            ("max = 1.8", Some(181.0), Standing::Fell),
            ("min = 0.5\nmax = 1.8", Some(200.0), Standing::Fell),
            ("min = 0.5", None, Standing::NotMeasured),
        ];
        for (limits, figure, expected) in cases {
            assert_eq!(standing(limits, figure), expected, "{limits} with {figure:?}");
        }
    }

    #[test]
    fn mistakes_in_the_file_are_told() {
        assert!(Budget::parse(FILE).expect_err("no limit").contains("neither min nor max"));
        assert!(Budget::parse(&format!("{FILE}minimum = 1")).is_err());
        assert!(Budget::parse(&FILE.replace("throughput", "speed")).is_err());
    }

    #[test]
    fn the_file_of_this_checkout_is_valid() {
        Budget::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("budget.toml")).expect("budget.toml");
    }
}
