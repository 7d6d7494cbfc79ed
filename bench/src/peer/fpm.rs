//! nginx and PHP-FPM: a fixed number of children, a Unix socket, OPcache, buffers that hold the largest response.

use std::fmt::Write as _;
use std::process::Command;

use super::{Found, Keeps, Peer, Setup, nginx, php};
use crate::plan::Plan;

/// The pair.
pub(crate) struct Fpm;

const NAME: &str = "nginx_fpm";

/// What nginx tells PHP: the usual list, without what no application here reads.
const PARAMETERS: &[(&str, &str)] = &[
    ("QUERY_STRING", "$query_string"),
    ("REQUEST_METHOD", "$request_method"),
    ("CONTENT_TYPE", "$content_type"),
    ("CONTENT_LENGTH", "$content_length"),
    ("SCRIPT_NAME", "/$script"),
    ("SCRIPT_FILENAME", "$document_root/$script"),
    ("REQUEST_URI", "$request_uri"),
    ("DOCUMENT_URI", "$document_uri"),
    ("DOCUMENT_ROOT", "$document_root"),
    ("SERVER_PROTOCOL", "$server_protocol"),
    ("REQUEST_SCHEME", "$scheme"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("REMOTE_ADDR", "$remote_addr"),
    ("REMOTE_PORT", "$remote_port"),
    ("SERVER_ADDR", "$server_addr"),
    ("SERVER_PORT", "$server_port"),
    ("SERVER_NAME", "$server_name"),
];

fn server(setup: Setup<'_>, script: &str, socket: &str) -> String {
    let mut text = format!(
        "        location / {{\n            set $script {script};\n            fastcgi_pass unix:{socket};\n\
         \x20           fastcgi_buffers 128 16k;\n            fastcgi_read_timeout 60s;\n"
    );
    for (name, value) in PARAMETERS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "            fastcgi_param {name} {value};");
    }
    for (name, value) in setup.application.environment {
        let _ = writeln!(text, "            fastcgi_param {name} '{value}';");
    }
    text + "        }\n"
}

fn pool(setup: Setup<'_>, socket: &str) -> String {
    format!(
        "[global]\ndaemonize = no\nerror_log = /dev/stderr\nlog_level = error\npid = {}/fpm.pid\n\n\
         [www]\nuser = root\ngroup = root\nlisten = {socket}\nlisten.backlog = 4096\npm = static\npm.max_children = {}\npm.max_requests = 0\n",
        setup.folder.display(),
        setup.workers
    )
}

impl Peer for Fpm {
    fn name(&self) -> &str {
        NAME
    }

    fn find(&self, _plan: &Plan, found: &Found) -> Result<String, String> {
        Ok(format!("{}, {}", found.get("nginx")?.1, found.get("fpm")?.1))
    }

    fn keeps(&self) -> Keeps {
        Keeps::Nothing
    }

    fn commands(&self, setup: Setup<'_>, found: &Found) -> Result<Vec<Command>, String> {
        let script = setup.application.script_name().ok_or("PHP-FPM serves no files")?;
        let socket = setup.folder.join("fpm.sock").display().to_string();
        let executable = found.get("fpm")?.0;
        // Debian's extensions, OPcache among them, are files of their own.
        let extensions = executable.with_file_name("php.ini");
        let extensions = std::fs::read_to_string(&extensions)
            .map_err(|error| format!("cannot read {}: {error}", extensions.display()))?;
        let ini = format!("{extensions}zend_extension = opcache.so\n{}", php::ini(setup.plan));
        let ini = setup.write("php.ini", &ini)?;
        let pool = setup.write("fpm.conf", &pool(setup, &socket))?;
        let mut fpm = Command::new(executable);
        fpm.arg("--nodaemonize").arg("--allow-to-run-as-root").arg("-c").arg(ini).arg("-y").arg(pool);
        Ok(vec![fpm, nginx::command(setup, found, "", &server(setup, script, &socket))?])
    }
}
