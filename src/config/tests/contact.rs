//! How a running server is reached.

#![forbid(unsafe_code)]

use super::*;

#[test]
fn a_server_can_be_asked_although_its_file_has_faults() {
    let contact = |text: &str, given: Option<&str>, variables: &[(&str, &str)]| {
        let (folder, flags) = project(text);
        let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let place = Place { folder: folder.path().to_owned(), variables: &variables, searched: &[] };
        contact_in(&flags, given.map(str::to_owned), &place).map_err(|faults| faults.to_string())
    };
    let asked =
        |text: &str, given| contact(text, given, &[]).map(|contact| contact.address.map(|address| address.to_string()));
    let faulty = "app.worker = \"missing.php\"\nlog.level = \"loud\"\n[admin]\nlisten = \"127.0.0.1:9181\"\n";
    assert_eq!(asked(faulty, None), Ok(Some("127.0.0.1:9181".to_owned())));
    assert_eq!(asked(faulty, Some("unix:/a.sock?mode=0660")), Ok(Some("unix:/a.sock?mode=0660".to_owned())));
    assert_eq!(asked("admin.listen = \"off\"\n", None), Ok(None));
    assert!(asked("[admin\n", None).expect_err("no TOML").contains("s.toml"));
    assert!(asked("", Some("nowhere")).expect_err("no address").contains("--admin"));
    assert!(asked("admin.listen = 1\n", None).expect_err("no address").contains("admin.listen"));

    let listens = |text: &str| {
        let contact = contact(text, None, &[]).expect("a contact");
        contact.listen.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(listens("server.listen = [\":81\", \"unix:/a.sock\"]\n"), [":81", "unix:/a.sock?mode=0660"]);
    assert_eq!(listens("server.listen = [\"nowhere\"]\n"), Vec::<String>::new());

    let token = |text: &str, variables: &[(&str, &str)]| {
        contact(text, Some(":1"), variables).map(|contact| contact.token.map(|token| token.authorization()))
    };
    assert_eq!(token("", &[]), Ok(None));
    assert_eq!(token("guard.token = \"one-of-16-letters\"\n", &[]), Ok(Some("Bearer one-of-16-letters".to_owned())));
    let variables =
        [("RUNTIME_ENDPOINT_TOKEN", "two-of-16-letters"), ("SUPERCHARGER__GUARD__TOKEN", "three-of-16-letters")];
    assert_eq!(token("", &variables[..1]), Ok(Some("Bearer two-of-16-letters".to_owned())));
    assert_eq!(
        token("guard.token = \"one-of-16-letters\"\n", &variables),
        Ok(Some("Bearer three-of-16-letters".to_owned()))
    );
    let told = token("guard.token = \"s3 cret\"\n", &[]).expect_err("no token");
    assert!(told.contains("guard.token") && !told.contains("s3"), "{told}");
}
