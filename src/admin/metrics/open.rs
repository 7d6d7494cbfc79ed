//! Metrics in the text form of OpenMetrics 1.0, for scrapers that ask for it.
//!
//! The library that gathers them writes the older form only. The differences: a counter's family is named without `_total`, numbers in
//! `le` have a decimal point, and there is an end mark, so that half an answer is not taken for a whole one.

#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

/// The media type, as it is asked for and answered.
pub(super) const MEDIA_TYPE: &str = "application/openmetrics-text";
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether a scraper that sends this `Accept` likes this form at least as well as the other.
pub(super) fn is_wanted(accept: &str) -> bool {
    let weight = |media: &str| {
        let ranges = accept.split(',').map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse().ok());
            (name, weight.unwrap_or(1.0))
        });
        let named = ranges.filter(|(name, _)| name.eq_ignore_ascii_case(media)).map(|(_, weight): (_, f32)| weight);
        named.fold(0.0, f32::max)
    };
    let open = weight(MEDIA_TYPE);
    open > 0.0 && open >= weight("text/plain")
}

/// The whole text.
pub(super) fn text(families: &[MetricFamily]) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for family in families {
        write_family(&mut text, family)?;
    }
    text.push_str("# EOF\n");
    Ok(text)
}

fn write_family(to: &mut String, family: &MetricFamily) -> fmt::Result {
    let name = family.name();
    let (base, kind) = match family.get_field_type() {
        MetricType::COUNTER => name.strip_suffix("_total").map_or((name, "unknown"), |base| (base, "counter")),
        MetricType::HISTOGRAM => (name, "histogram"),
        MetricType::GAUGE => name.strip_suffix("_info").map_or((name, "gauge"), |base| (base, "info")),
        MetricType::SUMMARY | MetricType::UNTYPED => (name, "unknown"),
    };
    writeln!(to, "# TYPE {base} {kind}")?;
    writeln!(to, "# HELP {base} {}", Escaped(family.help()))?;
    for metric in family.get_metric() {
        match family.get_field_type() {
            MetricType::HISTOGRAM => write_histogram(to, name, metric)?,
            MetricType::COUNTER => sample(to, name, metric, None, metric.get_counter().get_value())?,
            MetricType::GAUGE => sample(to, name, metric, None, metric.get_gauge().get_value())?,
            MetricType::SUMMARY | MetricType::UNTYPED => {}
        }
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "counters stay far below 2^53")]
fn write_histogram(to: &mut String, name: &str, metric: &Metric) -> fmt::Result {
    let histogram = metric.get_histogram();
    let all = histogram.get_sample_count() as f64;
    let bucket = format!("{name}_bucket");
    for part in histogram.get_bucket() {
        // With a decimal point, as the specification has it.
        let bound = format!("{:?}", part.upper_bound());
        sample(to, &bucket, metric, Some(&bound), part.cumulative_count() as f64)?;
    }
    sample(to, &bucket, metric, Some("+Inf"), all)?;
    sample(to, &format!("{name}_count"), metric, None, all)?;
    sample(to, &format!("{name}_sum"), metric, None, histogram.get_sample_sum())
}

fn sample(to: &mut String, name: &str, metric: &Metric, bound: Option<&str>, value: f64) -> fmt::Result {
    to.push_str(name);
    let labels = metric.get_label().iter().map(|label: &LabelPair| (label.name(), label.value()));
    let mut mark = '{';
    for (label, text) in labels.chain(bound.map(|bound| ("le", bound))) {
        write!(to, "{mark}{label}=\"{}\"", Escaped(text))?;
        mark = ',';
    }
    if mark == ',' {
        to.push('}');
    }
    writeln!(to, " {value}")
}

/// A text in quotes or after `# HELP`: the three characters that would end it are escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_it_gets_it() {
        let cases = [
            ("", false),
            ("*/*", false),
            ("text/plain;version=0.0.4", false),
            ("application/openmetrics-text", true),
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", true),
            ("application/openmetrics-text;q=0.2, text/plain;q=0.9", false),
            ("application/openmetrics-text;q=0", false),
        ];
        for (accept, expected) in cases {
            assert_eq!(is_wanted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn texts_cannot_end_their_quotes() {
        assert_eq!(Escaped("a\"} 1\n\\").to_string(), "a\\\"} 1\\n\\\\");
    }
}
