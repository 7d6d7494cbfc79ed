//! Figures: what is measured, of whom, how hard pressed; all rounds of each, and their medians.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is measured. Seconds, bytes and counts are told in the unit that the name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quantity {
    /// Requests per second.
    Throughput,
    /// User and system time of all processes of the server, per request, in microseconds.
    CpuUs,
    /// Median of the time until a response was read, in microseconds.
    P50Us,
    /// Its 99th percentile.
    P99Us,
    /// Requests answered.
    Requests,
    /// Responses outside of 2xx and 3xx, and connections that broke.
    Errors,
    /// Proportional memory of all processes of the server, in bytes.
    Memory,
    /// From starting the process to the last byte of the first good response, in milliseconds.
    StartMs,
    /// Bytes of memory that one request leaves behind, the slope of a line through all samples.
    Slope,
}

impl Quantity {
    /// Unit and precision for people.
    pub(crate) fn shown(self, value: f64) -> String {
        match self {
            Self::Throughput => format!("{value:.0}/s"),
            Self::CpuUs => format!("{value:.1} us CPU"),
            Self::P50Us | Self::P99Us if value >= 10_000.0 => format!("{:.1} ms", value / 1000.0),
            Self::P50Us | Self::P99Us => format!("{value:.0} us"),
            Self::Requests | Self::Errors => format!("{value:.0}"),
            Self::Memory => format!("{:.2} MiB", value / f64::from(1 << 20)),
            Self::StartMs => format!("{value:.0} ms"),
            Self::Slope => format!("{value:.1} B/request"),
        }
    }

    /// What it is called in a table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::CpuUs => "CPU per request",
            Self::P50Us => "median latency",
            Self::P99Us => "p99",
            Self::Requests => "requests",
            Self::Errors => "failed requests",
            Self::Memory => "memory",
            Self::StartMs => "start",
            Self::Slope => "slope of memory",
        }
    }
}

/// How many connections press at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    One,
    /// As many as there are workers.
    Workers,
    /// 32 for each worker.
    Crowd,
    Fixed(u32),
    /// Nobody presses: what is measured is a server by itself.
    Alone,
}

/// Connections per worker in a crowd, as in the targets.
const CROWD: u32 = 32;

impl At {
    /// The number; 0 when nobody presses.
    pub(crate) fn connections(self, workers: u32) -> u32 {
        match self {
            Self::One => 1,
            Self::Workers => workers,
            Self::Crowd => CROWD.saturating_mul(workers),
            Self::Fixed(connections) => connections,
            Self::Alone => 0,
        }
    }
}

/// One round of one server.
pub(crate) type Sample = BTreeMap<Quantity, f64>;

/// Every round of one server under one pressure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cell {
    pub(crate) application: String,
    pub(crate) peer: String,
    pub(crate) connections: u32,
    /// The median of each figure by itself; counts are summed.
    pub(crate) median: Sample,
    samples: Vec<Sample>,
}

impl Cell {
    /// Distance between the highest and the lowest throughput, as a part of the median.
    pub(crate) fn spread(&self) -> f64 {
        let rates = || self.samples.iter().filter_map(|sample| sample.get(&Quantity::Throughput).copied());
        match self.median.get(&Quantity::Throughput) {
            Some(median) if *median > 0.0 => {
                (rates().fold(f64::MIN, f64::max) - rates().fold(f64::MAX, f64::min)) / median
            }
            _ => 0.0,
        }
    }
}

/// All cells of a run.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Figures(Vec<Cell>);

impl Figures {
    /// Adds one round.
    pub(crate) fn add(&mut self, application: &str, peer: &str, connections: u32, sample: Sample) {
        let known = self
            .0
            .iter_mut()
            .find(|cell| cell.application == application && cell.peer == peer && cell.connections == connections);
        match known {
            Some(cell) => cell.samples.push(sample),
            None => self.0.push(Cell {
                application: application.to_owned(),
                peer: peer.to_owned(),
                connections,
                median: Sample::new(),
                samples: vec![sample],
            }),
        }
        for cell in &mut self.0 {
            cell.median = median_of(&cell.samples);
        }
    }

    pub(crate) fn cells(&self) -> &[Cell] {
        &self.0
    }

    /// The median of one figure.
    pub(crate) fn get(&self, application: &str, peer: &str, connections: u32, quantity: Quantity) -> Option<f64> {
        self.0
            .iter()
            .find(|cell| cell.application == application && cell.peer == peer && cell.connections == connections)
            .and_then(|cell| cell.median.get(&quantity))
            .copied()
    }

    /// Failed requests of all rounds of all servers that are meant.
    pub(crate) fn errors(&self, counts: impl Fn(&Cell) -> bool) -> f64 {
        self.0.iter().filter(|cell| counts(cell)).filter_map(|cell| cell.median.get(&Quantity::Errors)).sum()
    }
}

/// The median of every figure by itself; counts are summed.
fn median_of(samples: &[Sample]) -> Sample {
    let mut by_quantity: BTreeMap<Quantity, Vec<f64>> = BTreeMap::new();
    for (quantity, value) in samples.iter().flatten() {
        by_quantity.entry(*quantity).or_default().push(*value);
    }
    by_quantity
        .into_iter()
        .map(|(quantity, values)| match quantity {
            Quantity::Requests | Quantity::Errors => (quantity, values.iter().sum()),
            _ => (quantity, middle(values)),
        })
        .collect()
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(throughput: f64, cpu: f64, errors: f64) -> Sample {
        Sample::from([(Quantity::Throughput, throughput), (Quantity::CpuUs, cpu), (Quantity::Errors, errors)])
    }

    #[test]
    fn each_figure_has_its_own_median_and_counts_are_summed() {
        let mut figures = Figures::default();
        for one in [sample(10.0, 3.0, 1.0), sample(30.0, 1.0, 0.0), sample(20.0, 2.0, 4.0)] {
            figures.add("a", "p", 1, one);
        }
        assert_eq!(figures.get("a", "p", 1, Quantity::Throughput), Some(20.0));
        assert_eq!(figures.get("a", "p", 1, Quantity::CpuUs), Some(2.0));
        assert_eq!(figures.get("a", "p", 1, Quantity::Errors), Some(5.0));
        assert_eq!(figures.get("a", "p", 2, Quantity::Errors), None);
        figures.add("a", "p", 1, sample(40.0, 4.0, 0.0));
        assert_eq!(figures.get("a", "p", 1, Quantity::Throughput), Some(25.0));
        assert!((figures.cells()[0].spread() - 30.0 / 25.0).abs() < 1e-9);
    }

    #[test]
    fn a_crowd_grows_with_the_workers() {
        assert_eq!(At::Crowd.connections(2), 64);
        assert_eq!(At::Workers.connections(3), 3);
        assert_eq!(At::Alone.connections(3), 0);
    }
}
