//! nginx: alone, as a server of files, and in front of PHP-FPM.

use std::process::Command;

use super::{Found, Keeps, Peer, Setup};
use crate::plan::Plan;

const NAME: &str = "nginx";

/// nginx as a server of files.
pub(crate) struct Nginx;

/// Everything around the one `server`.
fn around(setup: Setup<'_>, http: &str, server: &str) -> String {
    let folder = setup.folder.display();
    let root = setup.application.root(&setup.plan.bench);
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    // As root it would serve as a user who may not read the application.
    format!(
        "daemon off;\nuser root;\nworker_processes auto;\npid {folder}/nginx.pid;\nerror_log stderr error;\n\
         events {{\n    worker_connections 4096;\n}}\n\
         http {{\n    access_log off;\n    sendfile on;\n    tcp_nopush on;\n    keepalive_requests 1000000000;\n\
         \x20   client_max_body_size 32m;\n    types {{ text/plain txt; }}\n    default_type application/octet-stream;\n\
         {temporary}{http}\
         \x20   server {{\n        listen {} backlog=4096;\n        root {};\n{server}    }}\n}}\n",
        setup.address,
        root.display()
    )
}

/// Its command with a configuration file of these parts.
pub(super) fn command(setup: Setup<'_>, found: &Found, http: &str, server: &str) -> Result<Command, String> {
    let config = setup.write("nginx.conf", &around(setup, http, server))?;
    let mut command = Command::new(found.get(NAME)?.0);
    command.arg("-p").arg(setup.folder).arg("-e").arg("stderr").arg("-c").arg(config);
    Ok(command)
}

impl Peer for Nginx {
    fn name(&self) -> &str {
        NAME
    }

    fn find(&self, _plan: &Plan, found: &Found) -> Result<String, String> {
        found.get(NAME).map(|(_, version)| version)
    }

    fn keeps(&self) -> Keeps {
        Keeps::NoApplication
    }

    fn commands(&self, setup: Setup<'_>, found: &Found) -> Result<Vec<Command>, String> {
        let http = "    open_file_cache max=1000 inactive=60s;\n    open_file_cache_valid 60s;\n";
        Ok(vec![command(setup, found, http, "")?])
    }
}
