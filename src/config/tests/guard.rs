//! Who may ask the endpoints.

#![forbid(unsafe_code)]

use super::*;

/// What the guard goes by is never guessed: each wish that cannot be obeyed stops the start and names its key.
#[test]
fn the_guard_is_never_guessed() {
    let cases = [
        (
            "guard.allow = ['10.0.0.0/abc']",
            "s.toml:1: guard.allow: \"10.0.0.0/abc\" is no range of addresses; allowed: a list of addresses and ranges such as \"10.0.0.0/8\" or \"::1\", none twice",
        ),
        (
            "guard.allow = ['10.0.0.0/']",
            "s.toml:1: guard.allow: \"10.0.0.0/\" is no range of addresses; allowed: a list of addresses and ranges such as \"10.0.0.0/8\" or \"::1\", none twice",
        ),
        (
            "guard.mode = 'strict'",
            "s.toml:1: guard.mode: \"strict\" is unknown; allowed: \"allowlist_or_token\", \"allowlist_only\" or \"require_token\"",
        ),
        (
            "guard.mode = 'require_token'",
            "guard.token: is missing; guard.mode (s.toml:1) asks for one; allowed: at least 16 visible characters of ASCII without blanks; `openssl rand -hex 32` makes one",
        ),
        (
            "guard.mode = 'require_token'\nguard.token = ''",
            "s.toml:2: guard.token: is empty; guard.mode (s.toml:1) asks for one; allowed: at least 16 visible characters of ASCII without blanks; `openssl rand -hex 32` makes one",
        ),
        (
            "guard.mode = 'require_token'\nguard.token = 's3 cret'",
            "s.toml:2: guard.token: its value is not that; allowed: at least 16 visible characters of ASCII without blanks; `openssl rand -hex 32` makes one",
        ),
        (
            "guard.token = 'fifteen-of-them'",
            "s.toml:1: guard.token: its value is not that; allowed: at least 16 visible characters of ASCII without blanks; `openssl rand -hex 32` makes one",
        ),
        (
            "guard.hosts = ['node-1', 'node-2:9180']",
            "s.toml:1: guard.hosts: \"node-2:9180\" is no name of a machine; allowed: a list of names such as \"node-1.example\", without ports, none twice",
        ),
        (
            "guard.hosts = ['*.example']",
            "s.toml:1: guard.hosts: \"*.example\" is no name of a machine; allowed: a list of names such as \"node-1.example\", without ports, none twice",
        ),
        (
            "guard.hosts = ['Node-1', 'node-1.']",
            "s.toml:1: guard.hosts: \"node-1.\" stands there twice; allowed: a list of names such as \"node-1.example\", without ports, none twice",
        ),
        (
            "guard.header = 'Host'",
            "s.toml:1: guard.header: \"Host\" is no name of a header field; allowed: the name of a header field that has no other meaning here",
        ),
        (
            "guard.header = 'Transfer-Encoding'",
            "s.toml:1: guard.header: \"Transfer-Encoding\" is no name of a header field; allowed: the name of a header field that has no other meaning here",
        ),
        (
            "guard.header = 'Authorization'",
            "s.toml:1: guard.header: \"Authorization\" is no name of a header field; allowed: the name of a header field that has no other meaning here",
        ),
        (
            "guard.header = 'Connection'",
            "s.toml:1: guard.header: \"Connection\" is no name of a header field; allowed: the name of a header field that has no other meaning here",
        ),
        (
            "guard.header = 'Content-Length'",
            "s.toml:1: guard.header: \"Content-Length\" is no name of a header field; allowed: the name of a header field that has no other meaning here",
        ),
        ("guard.enabled = 'yes'", "s.toml:1: guard.enabled: \"yes\" is neither true nor false; allowed: true or false"),
    ];
    for (text, expected) in cases {
        let told = faults_of(text, |_| {}).replace("DIR/", "");
        assert_eq!(told, format!("the configuration has 1 fault:\n  {expected}"), "{text}");
    }
    // The variables of the seeds are no exception, though others of other programs are pardoned.
    for (variables, key) in [
        (&[("RUNTIME_ENDPOINT_SECURITY_MODE", "strict")][..], "guard.mode"),
        (&[("RUNTIME_ENDPOINT_ALLOW_CIDR", "127.0.0.1/8,10.0.0.0/abc")], "guard.allow"),
        (&[("RUNTIME_ENDPOINT_TOKEN", "a blank-among-them")], "guard.token"),
        (&[("RUNTIME_ENDPOINT_TOKEN", "short")], "guard.token"),
        (&[("RUNTIME_ENDPOINT_SECURITY_MODE", "require_token"), ("RUNTIME_ENDPOINT_TOKEN", "")], "guard.token"),
    ] {
        let (folder, flags) = project("");
        let told = load_with(&flags, folder.path(), variables).expect_err("a fault").to_string();
        assert!(told.contains(key) && told.contains("RUNTIME_ENDPOINT_"), "{variables:?}: {told}");
    }
    let (folder, flags) = project("");
    let told = load_with(&flags, folder.path(), &[("SUPERCHARGER__GUARD__MODE", "require_token")]);
    let told = told.expect_err("a fault").to_string();
    assert!(told.contains("guard.token: is missing; guard.mode (SUPERCHARGER__GUARD__MODE) asks"), "{told}");
}

/// Who writes it down believes that it locks something.
#[test]
fn what_the_guard_does_not_heed_is_refused() {
    const TOKEN: &str = "guard.token = 'one-of-16-letters'";
    let cases = [
        (
            format!("guard.mode = 'allowlist_only'\n{TOKEN}\nguard.header = 'X-Ops'"),
            &["guard.token", "guard.header"][..],
        ),
        (
            format!("guard.mode = 'require_token'\n{TOKEN}\nguard.allow = ['10.0.0.1']\nguard.hosts = ['a']"),
            &["guard.allow", "guard.hosts"],
        ),
        ("guard.header = 'X-Ops'".to_owned(), &["guard.header"]),
        (format!("guard.enabled = false\n{TOKEN}\nguard.hosts = ['a']"), &["guard.token"]),
        (format!("admin.listen = 'off'\n{TOKEN}\nguard.proxy_strict = false"), &["guard.token", "guard.proxy_strict"]),
        // Said, though it is so anyway.
        ("guard.enabled = false\nguard.mode = 'allowlist_or_token'".to_owned(), &[]),
        (format!("admin.listen = 'off'\nendpoints.on_main = true\n{TOKEN}"), &[]),
        (format!("{TOKEN}\nguard.header = 'X-Ops'\nguard.allow = ['10.0.0.1']\nguard.hosts = ['a']"), &[]),
    ];
    for (text, refused) in cases {
        let (folder, flags) = project(&text);
        let told = load_with(&flags, folder.path(), &[]).map_or_else(|faults| faults.to_string(), |_| String::new());
        let faults = told.lines().filter(|line| line.contains(" has no effect: ")).count();
        assert_eq!(faults, refused.len(), "{text}: {told}");
        assert!(refused.iter().all(|key| told.contains(&format!("{key}: has no effect: "))), "{text}: {told}");
        assert_eq!(told.is_empty(), refused.is_empty(), "{text}: {told}");
    }
    // Variables of another program's are there for several.
    let variables =
        [("RUNTIME_ENDPOINT_SECURITY_MODE", "allowlist_only"), ("RUNTIME_ENDPOINT_TOKEN", "one-of-16-letters")];
    let (folder, flags) = project("");
    load_with(&flags, folder.path(), &variables).unwrap_or_else(|faults| panic!("{faults}"));
}

#[test]
fn the_guard_by_variables_of_the_seeds() {
    let rules = |variables: &[(&str, &str)]| {
        let (folder, flags) = project("");
        let (config, told) = seen_with(&flags, folder.path(), variables).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(!told.contains("s3cret"), "{told}");
        config.admin.guard
    };
    let usual = rules(&[]);
    assert!(usual.enabled && usual.proxy_strict && usual.token.is_none() && !usual.allow.is_empty());
    assert_eq!((usual.mode, usual.header.as_str()), (admin::Mode::AllowlistOrToken, "x-runtime-token"));
    let given = rules(&[
        ("RUNTIME_ENDPOINT_SECURITY_MODE", "require_token"),
        ("RUNTIME_ENDPOINT_ALLOW_CIDR", "127.0.0.1/8,::1/128"),
        ("RUNTIME_ENDPOINT_TOKEN", "s3cret-of-16-chr"),
        ("RUNTIME_ENDPOINT_TOKEN_HEADER", "X-Ops"),
        ("RUNTIME_ENDPOINT_PROXY_STRICT", "off"),
    ]);
    assert!(given.enabled && !given.proxy_strict);
    assert_eq!((given.mode, given.header.as_str()), (admin::Mode::RequireToken, "x-ops"));
    assert_eq!((given.token, given.allow.len()), ("s3cret-of-16-chr".parse().ok(), 2));
    for (text, expected) in [
        ("0", false),
        (" No ", false),
        ("FALSE", false),
        ("off", false),
        ("1", true),
        ("yes", true),
        ("", true),
        ("fales", true),
    ] {
        assert_eq!(rules(&[("RUNTIME_ENDPOINT_SECURITY_ENABLED", text)]).enabled, expected, "{text:?}");
    }
}

#[test]
fn a_list_of_everybody_is_told() {
    let told = |text: &str| {
        let (folder, flags) = project(text);
        let (config, _) = seen_with(&flags, folder.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
        config.source.notices.iter().filter(|notice| notice.subject == "guard.allow").count()
    };
    for (text, expected) in [
        ("guard.allow = ['0.0.0.0/0']", 1),
        ("guard.allow = ['::/0', '127.0.0.1', '10.1.2.3/0']", 2),
        ("guard.allow = ['10.0.0.0/8']", 0),
        ("", 0),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
}

#[test]
fn trusted_proxies_by_the_words_of_symfony() {
    let seen = |variables: &[(&str, &str)]| {
        let (folder, flags) = project("");
        seen_with(&flags, folder.path(), variables).unwrap_or_else(|faults| panic!("{faults}"))
    };
    let (config, _) = seen(&[("TRUSTED_PROXIES", "127.0.0.1,private_ranges,REMOTE_ADDR")]);
    let expected = ["127.0.0.1", "private_ranges", "REMOTE_ADDR"].map(|word| word.parse().expect("a proxy"));
    assert_eq!(config.http.trusted_proxies, expected);
    let warned = |config: &Config| {
        crate::config::guard::warnings(config).iter().any(|notice| notice.message.contains("REMOTE_ADDR"))
    };
    assert!(warned(&config));
    assert!(!warned(&seen(&[("TRUSTED_PROXIES", "PRIVATE_SUBNETS")]).0));
    let told = faults_of("server.trusted_proxies = ['private']", |_| {});
    assert!(told.contains("\"private\" is no range of addresses") && told.contains("\"REMOTE_ADDR\""), "{told}");
}
