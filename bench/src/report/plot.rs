//! Bars as SVG: one plot a quantity, one group an application, one bar a server.

use std::fmt::Write as _;

use super::{Report, is_product};
use crate::figure::{At, Cell, Quantity};

const WIDTH: f64 = 760.0;
/// Where bars begin: names stand left of it.
const LEFT: f64 = 130.0;
/// Room for the figure right of the longest bar.
const RIGHT: f64 = 110.0;
const BAR: f64 = 18.0;
const GAP: f64 = 6.0;
const TITLE: f64 = 34.0;
const GROUP: f64 = 30.0;

/// Applications whose servers are set side by side.
const GROUPS: [&str; 5] = ["hello", "symfony", "static", "download", "upload"];

impl Report {
    /// Name and text of every plot that has something to show.
    pub(super) fn plots(&self) -> Vec<(&'static str, String)> {
        let crowd = At::Crowd.connections(self.plan.workers);
        [
            ("throughput", "Requests per second, at the highest number of connections", Quantity::Throughput),
            (
                "p99",
                "99th percentile of latency, at the highest number of connections (less is better)",
                Quantity::P99Us,
            ),
            ("cpu", "CPU time per request of all processes of a server (less is better)", Quantity::CpuUs),
        ]
        .into_iter()
        .filter_map(|(name, title, quantity)| Some((name, self.plot(title, quantity, crowd)?)))
        .collect()
    }

    fn plot(&self, title: &str, quantity: Quantity, crowd: u32) -> Option<String> {
        let mut body = String::new();
        let mut y = TITLE;
        for application in GROUPS {
            let cells: Vec<(&Cell, f64)> = self
                .figures
                .cells()
                .iter()
                .filter(|cell| cell.application == application)
                .filter(|cell| cell.connections == crowd || cell.connections == 8)
                .filter_map(|cell| Some((cell, *cell.median.get(&quantity)?)))
                .collect();
            let most = cells.iter().map(|(_, value)| *value).fold(0.0, f64::max);
            if cells.is_empty() || most <= 0.0 {
                continue;
            }
            y += GROUP;
            let _ = writeln!(
                body,
                r##"<text x="12" y="{:.0}" font-weight="bold" fill="#24292f">{application}, c={}</text>"##,
                y - 9.0,
                cells[0].0.connections
            );
            for (cell, value) in cells {
                bar(&mut body, y, &cell.peer, value / most, &quantity.shown(value));
                y += BAR + GAP;
            }
        }
        (!body.is_empty()).then(|| {
            format!(
                r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{0:.0}" viewBox="0 0 {WIDTH} {0:.0}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="12" y="22" font-size="15" fill="#24292f">{title}</text>
{body}</svg>
"##,
                y + GAP
            )
        })
    }
}

/// One server's bar. Each group has a scale of its own: applications differ by orders of magnitude.
fn bar(out: &mut String, y: f64, peer: &str, part: f64, figure: &str) {
    let length = part * (WIDTH - LEFT - RIGHT);
    let colour = if is_product(peer) { "#1a7f5a" } else { "#8c959f" };
    let middle = y + BAR - 5.0;
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        r##"<text x="{:.0}" y="{middle:.0}" text-anchor="end" fill="#24292f">{peer}</text><rect x="{LEFT}" y="{y:.0}" width="{length:.1}" height="{BAR}" fill="{colour}"/><text x="{:.0}" y="{middle:.0}" fill="#24292f">{figure}</text>"##,
        LEFT - 8.0,
        LEFT + length + 8.0,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part_and_ours_has_its_own_colour() {
        let mut out = String::new();
        bar(&mut out, 0.0, "supercharger", 0.5, "1/s");
        assert!(out.contains(r#"width="260.0""#), "{out}");
        assert!(out.contains("#1a7f5a"));
        bar(&mut out, 0.0, "other", 0.5, "1/s");
        assert!(out.contains("#8c959f"));
    }
}
