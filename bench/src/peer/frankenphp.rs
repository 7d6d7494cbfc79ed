//! FrankenPHP in worker mode, tuned as its page on performance says: no file server, no try_files, no placeholders, a number of
//! threads of its own choosing replaced by ours, no log below errors, `GODEBUG=cgocheck=0`.

use std::process::Command;

use super::{Found, Keeps, Peer, Setup, php};
use crate::plan::Plan;

/// The peer.
pub(crate) struct Frankenphp;

const NAME: &str = "frankenphp";

fn caddyfile(setup: Setup<'_>) -> Result<String, String> {
    let bench = &setup.plan.bench;
    let root = setup.application.root(bench);
    let global =
        "\tadmin off\n\tpersist_config off\n\tauto_https off\n\tskip_install_trust\n\tlog {\n\t\tlevel ERROR\n\t}\n";
    let (Some(script), Some(name)) = (setup.application.script(bench), setup.application.script_name()) else {
        // Caddy's own server of files.
        return Ok(format!(
            "{{\n{global}}}\n\nhttp://{} {{\n\troot {}\n\tfile_server\n}}\n",
            setup.address,
            root.display()
        ));
    };
    // It asks for at least one thread beside those of its workers.
    Ok(format!(
        "{{\n{global}\tfrankenphp {{\n\t\tnum_threads {}\n\t\tworker {} {}\n\t}}\n}}\n\n\
         http://{} {{\n\troute {{\n\t\trewrite {name}\n\t\tphp {{\n\t\t\troot {}\n\t\t}}\n\t}}\n}}\n",
        setup.workers + 1,
        script.display(),
        setup.workers,
        setup.address,
        root.display()
    ))
}

impl Peer for Frankenphp {
    fn name(&self) -> &str {
        NAME
    }

    fn find(&self, _plan: &Plan, found: &Found) -> Result<String, String> {
        found.get(NAME).map(|(_, version)| version)
    }

    fn keeps(&self) -> Keeps {
        Keeps::Application
    }

    fn commands(&self, setup: Setup<'_>, found: &Found) -> Result<Vec<Command>, String> {
        setup.write("php.ini", &php::ini(setup.plan))?;
        let config = setup.write("Caddyfile", &caddyfile(setup)?)?;
        let mut command = Command::new(found.get(NAME)?.0);
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(config)
            .env("PHPRC", setup.folder)
            .env("XDG_CONFIG_HOME", setup.folder)
            .env("XDG_DATA_HOME", setup.folder)
            .env("GODEBUG", "cgocheck=0")
            // Symfony would end its loop after 500 requests; nobody else recycles here.
            .env("FRANKENPHP_LOOP_MAX", "0");
        Ok(vec![command])
    }
}
