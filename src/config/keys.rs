//! Every key there is. A key stands here only if something obeys it.

#![forbid(unsafe_code)]

/// A key of the configuration.
#[derive(Debug)]
pub(super) struct Key {
    /// Its dotted name.
    pub(super) name: &'static str,
    /// What it may be; completes the sentence "allowed: ...".
    pub(super) allowed: &'static str,
}

/// Tables whose keys the application chooses.
pub(super) const MAPS: [Key; 2] = [
    Key { name: "app.env", allowed: "names of letters, digits and _, with texts as values" },
    Key { name: "php.ini", allowed: "names of PHP settings, with a text, a number or true/false on one line" },
];

/// All other keys, in the order of `config/supercharger.toml`.
pub(super) const KEYS: [Key; 18] = [
    Key {
        name: "server.listen",
        allowed: "a list of texts such as \"127.0.0.1:8080\", \":8080\" or \"[::1]:8080\", none twice",
    },
    Key { name: "server.io_threads", allowed: "\"auto\" (one per usable CPU) or a number from 1 to 256" },
    Key { name: "server.header_timeout", allowed: "a duration such as \"500ms\" or \"30s\", from 100ms to 1h" },
    Key { name: "server.max_header_size", allowed: "a size such as 4096 or \"32KiB\", from 1KiB to 1MiB" },
    Key { name: "server.max_headers", allowed: "a number from 1 to 1000" },
    Key { name: "server.max_body_size", allowed: "a size such as 4096 or \"10MiB\", up to 1024GiB" },
    Key { name: "server.body_memory", allowed: "a size such as 4096 or \"256KiB\", up to 1GiB" },
    Key { name: "server.response_memory", allowed: "a size such as 131072 or \"1MiB\", from 64KiB to 1GiB" },
    Key { name: "server.drain_timeout", allowed: "a duration such as \"500ms\" or \"30s\", up to 1h" },
    Key { name: "app.root", allowed: "a directory" },
    Key { name: "app.worker", allowed: "a PHP file" },
    Key { name: "app.index", allowed: "the name of a PHP file, without a path; in classic mode only" },
    Key { name: "pools.default.workers", allowed: "\"auto\" (two per usable CPU) or a number from 1 to 1024" },
    Key { name: "pools.default.boot_timeout", allowed: "a duration such as \"500ms\" or \"30s\", from 1ms to 1h" },
    Key {
        name: "pools.default.overflow.queue_timeout",
        allowed: "a duration such as \"500ms\" or \"30s\", from 1ms to 1h",
    },
    Key { name: "log.level", allowed: "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"" },
    Key { name: "log.format", allowed: "\"text\" or \"json\"" },
    Key { name: "log.access", allowed: "true or false" },
];

/// What the key may be.
pub(super) fn allowed(name: &str) -> &'static str {
    KEYS.iter().chain(&MAPS).find(|key| key.name == name).map_or("", |key| key.allowed)
}

/// Whether the name is that of a key.
pub(super) fn is_key(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name)
}

/// Whether the name is that of a table whose keys the application chooses.
pub(super) fn is_map(name: &str) -> bool {
    MAPS.iter().any(|key| key.name == name)
}

/// Whether the name is that of a section: some key begins with it.
pub(super) fn is_section(name: &str) -> bool {
    let inside = |key: &Key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    KEYS.iter().chain(&MAPS).any(inside)
}

/// The known name that an unknown one is most like, if any is near.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    // The last part alone counts too: `listen` is meant for `server.listen`.
    let likeness = |key: &Key| {
        let last = key.name.rsplit('.').next().unwrap_or(key.name);
        let given = name.rsplit('.').next().unwrap_or(name);
        let whole = strsim::normalized_damerau_levenshtein(key.name, name);
        if last == given { whole.max(0.9) } else { whole }
    };
    KEYS.iter()
        .chain(&MAPS)
        .map(|key| (likeness(key), key.name))
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let cases = [
            ("server.lisen", Some("server.listen")),
            ("server.max_body", Some("server.max_body_size")),
            ("listen", Some("server.listen")),
            ("app.workers", Some("app.worker")),
            ("pools.web.workers", Some("pools.default.workers")),
            ("log.formatt", Some("log.format")),
            ("database.url", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name), expected, "{name}");
        }
    }

    #[test]
    fn sections_are_told_from_keys() {
        assert!(is_section("server") && is_section("pools.default") && is_section("php"));
        assert!(!is_section("server.listen") && !is_section("serv") && !is_section("php.ini"));
        assert!(is_key("log.access") && !is_key("log") && is_map("app.env"));
    }
}
