//! The part of docs/benchmarks.md that a run writes, and its plots.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::Report;

const BEGIN: &str = "<!-- figures: written by `make bench BENCH=--page` -->";
const END: &str = "<!-- end of figures -->";

impl Report {
    /// Replaces the figures in `docs/benchmarks.md` and the plots beside it.
    pub(crate) fn write_page(&self, docs: &Path) -> Result<(), String> {
        let page = docs.join("benchmarks.md");
        let text = fs::read_to_string(&page).map_err(|error| format!("cannot read {}: {error}", page.display()))?;
        let text = replaced(&text, &self.figures_of_page())
            .ok_or_else(|| format!("{}: the lines that mark the figures are not there", page.display()))?;
        let images = docs.join("images");
        fs::create_dir_all(&images)
            .and_then(|()| self.plots().iter().try_for_each(|(name, svg)| fs::write(images.join(image(name)), svg)))
            .and_then(|()| fs::write(&page, text))
            .map_err(|error| format!("cannot write {}: {error}", docs.display()))
    }

    fn figures_of_page(&self) -> String {
        let mut out = format!("Run of {}: ", self.started.0);
        // Writing to a String cannot fail.
        let _ = self.render_summary(&mut out);
        out.push_str("\n### Targets\n\n");
        let _ = self.render_targets(&mut out);
        out.push('\n');
        for (name, _) in self.plots() {
            let _ = writeln!(out, "![{name}](images/{})", image(name));
        }
        out.push_str("\n### All figures\n\n");
        let _ = self.render_figures(&mut out);
        out.push_str("\n### Who was measured\n\n");
        let _ = self.render_peers(&mut out);
        for fault in &self.faults {
            let _ = writeln!(out, "- went wrong: {}", fault.lines().next().unwrap_or_default());
        }
        out
    }
}

fn image(name: &str) -> String {
    format!("bench-{name}.svg")
}

/// The text with what lies between the marks replaced.
fn replaced(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", figures.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_marks_is_replaced() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replaced(&text, "new\n").expect("marks");
        assert_eq!(new, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(replaced("no marks", "new"), None);
    }

    #[test]
    fn the_page_of_this_checkout_has_the_marks() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
        let text = fs::read_to_string(page).expect("docs/benchmarks.md");
        assert!(replaced(&text, "").is_some());
    }
}
