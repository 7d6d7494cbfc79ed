//! What can be told about the application from its files.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

/// How far above the script a project's folder may lie: `project/public/admin/index.php` and one more.
const LEVELS: usize = 4;

/// The folder of the Composer project that a script or folder belongs to: the nearest one above that has `vendor/`.
pub(super) fn folder_of(path: &Path) -> Option<PathBuf> {
    path.ancestors().take(LEVELS).find(|folder| folder.join("vendor").is_dir()).map(Path::to_owned)
}

/// The version of Symfony in a project, if it has one: what its kernel says, or else what Composer has noted.
pub fn symfony_version(project: &Path) -> Option<String> {
    let vendor = project.join("vendor");
    let kernel = fs::read_to_string(vendor.join("symfony/http-kernel/Kernel.php")).ok();
    kernel.as_deref().and_then(constant).or_else(|| {
        let installed = fs::read(vendor.join("composer/installed.json")).ok()?;
        noted(&installed)
    })
}

/// The value of `const VERSION = '7.4.1';` in the source of Symfony's Kernel.
fn constant(source: &str) -> Option<String> {
    let (_, rest) = source.split_once("const VERSION = '")?;
    let (version, _) = rest.split_once('\'')?;
    Some(version.to_owned()).filter(|version| !version.is_empty())
}

/// The version of symfony/http-kernel in Composer's list: `{"packages": [...]}`, or a bare list in the days of Composer 1.
fn noted(installed: &[u8]) -> Option<String> {
    let list: serde_json::Value = serde_json::from_slice(installed).ok()?;
    let packages = list.get("packages").unwrap_or(&list).as_array()?;
    let package = packages.iter().find(|package| package["name"] == "symfony/http-kernel")?;
    let version = package["version"].as_str()?;
    Some(version.strip_prefix('v').unwrap_or(version).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_where_they_stand() {
        assert_eq!(constant("class Kernel {\n    public const VERSION = '7.4.1';\n").as_deref(), Some("7.4.1"));
        assert_eq!(constant("class Kernel {}"), None);
        let cases: [(&str, Option<&str>); 5] = [
            (
                r#"{"packages":[{"name":"a/b","version":"1"},{"name":"symfony/http-kernel","version":"v8.1.0"}]}"#,
                Some("8.1.0"),
            ),
            (r#"[{"name":"symfony/http-kernel","version":"6.4.30"}]"#, Some("6.4.30")),
            (r#"{"packages":[]}"#, None),
            ("{}", None),
            ("not JSON", None),
        ];
        for (installed, expected) in cases {
            assert_eq!(noted(installed.as_bytes()).as_deref(), expected, "{installed}");
        }
    }

    #[test]
    fn a_project_is_found_above_its_script() {
        let folder = tempfile::tempdir().expect("a folder");
        let project = folder.path().join("shop");
        fs::create_dir_all(project.join("public")).expect("a folder");
        assert_eq!(folder_of(&project.join("public/index.php")), None);
        fs::create_dir_all(project.join("vendor/symfony/http-kernel")).expect("a folder");
        assert_eq!(folder_of(&project.join("public/index.php")), Some(project.clone()));
        assert_eq!(folder_of(&project.join("public")), Some(project.clone()));
        assert_eq!(symfony_version(&project), None);
        fs::write(project.join("vendor/symfony/http-kernel/Kernel.php"), "const VERSION = '7.4.0';").expect("a file");
        assert_eq!(symfony_version(&project).as_deref(), Some("7.4.0"));
    }
}
