//! What an application says of itself: see `bench/apps/serve.php`.

use serde::Serialize;

/// How many requests one copy of the application has served, and by what PHP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct State {
    #[serde(rename = "served_by_one_copy")]
    pub(crate) served: u64,
    php: String,
    opcache: String,
    jit: String,
    threads: String,
}

impl State {
    /// Reads its line.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let value = |name: &str| {
            line.split(' ')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let text = |name: &str| value(name).map(str::to_owned).ok_or_else(|| format!("no {name} in its state: {line}"));
        Ok(Self {
            served: text("served")?.parse().map_err(|_| format!("no number of requests in its state: {line}"))?,
            php: text("php")?,
            opcache: text("opcache")?,
            jit: text("jit")?,
            threads: text("threads")?,
        })
    }

    /// For people.
    pub(crate) fn told(&self) -> String {
        format!(
            "PHP {}, thread-safe: {}, OPcache {}, JIT {}, {} requests served by one copy of the application",
            self.php, self.threads, self.opcache, self.jit, self.served
        )
    }

    /// Whether two servers run the same PHP with the same settings. Only one of them has threads.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        (&self.php, &self.opcache, &self.jit) == (&other.php, &other.opcache, &other.jit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "served=7 php=8.4.1 opcache=on jit=off threads=yes";

    #[test]
    fn the_line_is_read_and_what_differs_is_seen() {
        let state = State::parse(LINE).expect("a state");
        assert_eq!(state.served, 7);
        let other = |from: &str, to: &str| State::parse(&LINE.replace(from, to)).expect("a state");
        assert!(state.same_as(&other("threads=yes", "threads=no")));
        assert!(!state.same_as(&other("opcache=on", "opcache=off")));
        assert!(!state.same_as(&other("8.4.1", "8.4.2")));
    }

    #[test]
    fn a_page_that_is_no_state_is_told() {
        assert!(State::parse("<h1>Not found</h1>").expect_err("no state").contains("Not found"));
    }
}
