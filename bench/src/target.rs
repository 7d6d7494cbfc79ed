//! The table of targets: each row is a ratio of two figures of one run, or a figure that stands by itself, and what it is to be.

use serde::Serialize;

use crate::figure::{At, Figures, Quantity};

/// One side of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    application: &'static str,
    peer: &'static str,
    at: At,
}

/// What a row is to reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Only shown, and held by the budget.
    None,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// As the budget names it.
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    quantity: Quantity,
    of: Side,
    /// None: the figure itself is compared.
    to: Option<Side>,
    bound: Bound,
}

const fn of(application: &'static str, peer: &'static str, at: At) -> Side {
    Side { application, peer, at }
}

/// Two servers under the same application and pressure.
const fn pair(application: &'static str, at: At, peers: [&'static str; 2]) -> (Side, Option<Side>) {
    (of(application, peers[0], at), Some(of(application, peers[1], at)))
}

const fn row(
    name: &'static str,
    what: &'static str,
    quantity: Quantity,
    sides: (Side, Option<Side>),
    bound: Bound,
) -> Target {
    Target { name, what, quantity, of: sides.0, to: sides.1, bound }
}

const OURS: &str = "supercharger";
const BARE: [&str; 2] = [OURS, "bare"];
const FRANKENPHP: [&str; 2] = [OURS, "frankenphp"];
const FPM: [&str; 2] = [OURS, "nginx_fpm"];

/// Bytes per request below which the memory is called flat: over 50,000 requests that is less than 1.6 MiB, a hundredth of what a server has.
const FLAT: f64 = 32.0;

/// Every row, in the order in which it is shown. The bounds are those of the project's design; where it only says "flat" or "near
/// linear" the number is ours, and said in docs/benchmarks.md.
#[rustfmt::skip]
pub(crate) const TARGETS: &[Target] = {
    use Bound::{AtLeast, AtMost};
    use Quantity::{CpuUs, Errors, Memory, P99Us, Slope, StartMs, Throughput};
    &[
        row("hello_bare", "hello worker, c=32W: throughput / bare hyper", Throughput, pair("hello", At::Crowd, BARE), AtLeast(0.75)),
        row("hello_frankenphp", "hello worker, c=32W: throughput / FrankenPHP", Throughput, pair("hello", At::Crowd, FRANKENPHP), AtLeast(4.0)),
        row("hello_cpu_bare", "hello worker, c=32W: CPU per request / bare hyper", CpuUs, pair("hello", At::Crowd, BARE), AtMost(1.8)),
        row("symfony_frankenphp", "Symfony JSON, c=32W: throughput / FrankenPHP", Throughput, pair("symfony", At::Crowd, FRANKENPHP), AtLeast(1.4)),
        row("symfony_fpm", "Symfony JSON, c=32W: throughput / nginx + PHP-FPM", Throughput, pair("symfony", At::Crowd, FPM), AtLeast(4.0)),
        row("hello_p99_frankenphp", "hello worker, c=32W: p99 / FrankenPHP", P99Us, pair("hello", At::Crowd, FRANKENPHP), AtMost(0.33)),
        row("symfony_p99_frankenphp", "Symfony JSON, c=32W: p99 / FrankenPHP", P99Us, pair("symfony", At::Crowd, FRANKENPHP), AtMost(0.33)),
        row("storm", "hello, a worker lives for 100 requests: throughput / no recycling", Throughput, pair("storm", At::Crowd, ["recycled", OURS]), AtLeast(0.8)),
        row("storm_errors", "hello, a worker lives for 100 requests: failed requests", Errors, (of("storm", "recycled", At::Crowd), None), AtMost(0.0)),
        row("symfony_storm", "Symfony, a worker lives for 100 requests: throughput / no recycling", Throughput, pair("symfony_storm", At::Crowd, ["recycled", OURS]), AtLeast(0.8)),
        row("symfony_storm_errors", "Symfony, a worker lives for 100 requests: failed requests", Errors, (of("symfony_storm", "recycled", At::Crowd), None), AtMost(0.0)),
        row("worker_memory", "one more idle Symfony worker: memory / FrankenPHP", Memory, pair("memory", At::Alone, FRANKENPHP), AtMost(1.0)),
        row("start", "start to first Symfony answer, warm cache: time / FrankenPHP", StartMs, pair("start", At::Alone, FRANKENPHP), AtMost(1.0)),
        row("static", "file of 4 KiB, c=32W: throughput / nginx", Throughput, pair("static", At::Crowd, [OURS, "nginx"]), AtLeast(0.8)),
        row("download", "response of 1 MiB, c=8: throughput / nginx + PHP-FPM", Throughput, pair("download", At::Fixed(8), FPM), AtLeast(1.0)),
        row("upload", "upload of 20 MiB, c=8: throughput / nginx + PHP-FPM", Throughput, pair("upload", At::Fixed(8), FPM), AtLeast(1.0)),
        row("slope", "50,000 mixed Symfony requests: memory left by each", Slope, (of("slope", OURS, At::Alone), None), AtMost(FLAT)),
        row("scale_cpu", "Symfony, c=32: CPU per request with 16 workers / with 1", CpuUs, (of("scale", "16 workers", At::Fixed(32)), Some(of("scale", "1 worker", At::Fixed(32)))), AtMost(1.25)),
        row("scale_throughput", "Symfony, c=32: throughput with 16 workers / with 2", Throughput, (of("scale", "16 workers", At::Fixed(32)), Some(of("scale", "2 workers", At::Fixed(32)))), AtLeast(0.9)),
        row("observed", "hello, all that can be told is told: throughput / nothing", Throughput, pair("observed", At::Crowd, ["observed", OURS]), Bound::None),
    ]
};

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Reached,
    NotReached,
    /// One side is missing.
    NotMeasured,
    /// There is nothing to reach.
    Shown,
}

/// A row with its figures.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) quantity: Quantity,
    pub(crate) of: Option<f64>,
    pub(crate) to: Option<f64>,
    /// Whether there is another side at all.
    pub(crate) paired: bool,
    /// The ratio, or the figure itself where there is but one.
    pub(crate) value: Option<f64>,
    pub(crate) bound: Bound,
    pub(crate) standing: Standing,
}

/// Whether a value lies within a bound.
fn holds(bound: Bound, value: f64) -> bool {
    match bound {
        Bound::AtLeast(least) => value >= least,
        Bound::AtMost(most) => value <= most,
        Bound::None => true,
    }
}

impl Target {
    fn look(&self, figures: &Figures, workers: u32) -> Row {
        let figure =
            |side: &Side| figures.get(side.application, side.peer, side.at.connections(workers), self.quantity);
        let (own, other) = (figure(&self.of), self.to.as_ref().and_then(figure));
        let value = match (own, self.to.is_some(), other) {
            (own, false, _) => own,
            (Some(own), true, Some(other)) if other > 0.0 => Some(own / other),
            _ => None,
        };
        let standing = match (value, self.bound) {
            (None, _) => Standing::NotMeasured,
            (Some(_), Bound::None) => Standing::Shown,
            (Some(value), bound) if holds(bound, value) => Standing::Reached,
            _ => Standing::NotReached,
        };
        Row {
            name: self.name,
            what: self.what,
            quantity: self.quantity,
            of: own,
            to: other,
            paired: self.to.is_some(),
            value,
            bound: self.bound,
            standing,
        }
    }
}

/// Every row with what was measured.
pub(crate) fn table(figures: &Figures, workers: u32) -> Vec<Row> {
    TARGETS.iter().map(|target| target.look(figures, workers)).collect()
}

impl Row {
    /// The ratio or figure for people.
    pub(crate) fn shown(&self) -> String {
        match self.value {
            None => "-".to_owned(),
            Some(value) if self.paired => format!("{value:.2}"),
            Some(value) => self.quantity.shown(value),
        }
    }
}

impl Bound {
    pub(crate) fn shown(self) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {least}"),
            Self::AtMost(most) => format!("<= {most}"),
            Self::None => "-".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::figure::Sample;

    fn figures(ours: f64, theirs: f64) -> Figures {
        let mut figures = Figures::default();
        for (peer, value) in [("supercharger", ours), ("bare", theirs)] {
            let sample = Sample::from([(Quantity::Throughput, value), (Quantity::CpuUs, value)]);
            figures.add("hello", peer, 64, sample);
        }
        figures
    }

    fn standing(name: &str, figures: &Figures) -> Standing {
        table(figures, 2).iter().find(|row| row.name == name).expect("a row").standing
    }

    #[test]
    fn a_row_is_reached_at_its_bound_and_not_beyond() {
        assert_eq!(standing("hello_bare", &figures(75.0, 100.0)), Standing::Reached);
        assert_eq!(standing("hello_bare", &figures(74.0, 100.0)), Standing::NotReached);
        assert_eq!(standing("hello_cpu_bare", &figures(180.0, 100.0)), Standing::Reached);
        assert_eq!(standing("hello_cpu_bare", &figures(181.0, 100.0)), Standing::NotReached);
    }

    #[test]
    fn a_row_without_one_side_is_not_measured() {
        assert_eq!(standing("hello_frankenphp", &figures(1.0, 1.0)), Standing::NotMeasured);
        assert_eq!(standing("hello_bare", &figures(1.0, 0.0)), Standing::NotMeasured);
        assert_eq!(standing("storm_errors", &figures(1.0, 1.0)), Standing::NotMeasured);
    }

    #[test]
    fn a_figure_by_itself_is_its_own_value() {
        let mut figures = Figures::default();
        figures.add("storm", "recycled", 64, Sample::from([(Quantity::Errors, 1.0)]));
        assert_eq!(standing("storm_errors", &figures), Standing::NotReached);
    }

    #[test]
    fn no_two_rows_bear_one_name() {
        assert_eq!(TARGETS.iter().map(|target| target.name).collect::<BTreeSet<_>>().len(), TARGETS.len());
    }
}
