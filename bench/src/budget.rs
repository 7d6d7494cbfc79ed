//! `budget.toml`: ratios that were reached and must be kept.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::target::{Row, TARGETS};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    #[serde(default, rename = "row")]
    rows: Vec<Kept>,
}

/// What one row of the table must keep.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    name: String,
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
    /// One of its sides was not measured.
    NotMeasured,
}

/// One budget, compared with what was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    /// The ratio, if both sides were measured.
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
        for row in &budget.rows {
            if row.min.is_none() && row.max.is_none() {
                return Err(format!("row {} has neither min nor max", row.name));
            }
            if TARGETS.iter().all(|target| target.name != row.name) {
                let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                return Err(format!("there is no row {}; known: {}", row.name, known.join(", ")));
            }
        }
        Ok(budget)
    }

    /// Compares every row.
    pub(crate) fn judge(&self, table: &[Row]) -> Vec<Verdict> {
        let verdict = |kept: &Kept| {
            let value = table.iter().find(|row| row.name == kept.name).and_then(|row| row.value);
            let standing = match value {
                None => Standing::NotMeasured,
                Some(value) if kept.min.is_some_and(|min| value < min) || kept.max.is_some_and(|max| value > max) => {
                    Standing::Fell
                }
                Some(_) => Standing::Kept,
            };
            Verdict { name: kept.name.clone(), value, min: kept.min, max: kept.max, standing }
        };
        self.rows.iter().map(verdict).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Figures, Quantity, Sample};
    use crate::target;

    const FILE: &str = "[[row]]\nname = \"hello_bare\"\n";

    fn standing(limits: &str, ours: Option<f64>) -> Standing {
        let mut figures = Figures::default();
        for (peer, value) in [("supercharger", ours), ("bare", Some(100.0))] {
            if let Some(value) = value {
                figures.add("hello", peer, 64, Sample::from([(Quantity::Throughput, value)]));
            }
        }
        let budget = Budget::parse(&format!("{FILE}{limits}")).expect("a valid budget");
        budget.judge(&target::table(&figures, 2))[0].standing
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
        assert!(Budget::parse("[[row]]\nname = \"x\"\nmin = 1.0").expect_err("unknown row").contains("no row x"));
    }

    #[test]
    fn the_file_of_this_checkout_is_valid() {
        Budget::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("budget.toml")).expect("budget.toml");
    }
}
