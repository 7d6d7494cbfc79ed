//! The server: its configuration, and which way it would serve the application.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use super::project::Project;
use super::report::{Diagnosis, Grade};
use crate::config::{self, Command, Config, Flags};
use crate::http::Mode;

/// Reads what `supercharger run` would read here.
pub(super) fn configuration(file: Option<PathBuf>, diagnosis: &mut Diagnosis) -> Option<Config> {
    let flags = Flags { command: Command::Run, config: file, ..Flags::default() };
    match config::inspect(&flags) {
        Ok((config, _)) => {
            let shown = config.source.file.as_ref().map(|file| file.display().to_string());
            diagnosis.fact(
                "configuration",
                shown.clone().unwrap_or_else(|| "none: defaults and environment".to_owned()),
                shown,
            );
            Some(config)
        }
        Err(faults) => {
            diagnosis.complain(
                Grade::Error,
                "config.faults",
                faults.to_string(),
                "`supercharger check` tells the same; mend each of them",
            );
            None
        }
    }
}

pub(super) fn judge(config: &Config, project: &Project, diagnosis: &mut Diagnosis) {
    tell_mode(config, project, diagnosis);
    let pools = std::iter::once(&config.pool).chain(config.named_pools.iter().map(|named| &named.pool));
    for pool in pools {
        let limits = &pool.recycle;
        let endless = limits.max_requests == 0 && limits.max_uptime.is_zero();
        let unlimited = limits.max_memory == 0
            && limits.soft_memory == 0
            && limits.emergency_memory == 0
            && limits.memory_growth == 0;
        if endless && unlimited && config.max_rss.is_none() {
            diagnosis.complain(
                Grade::Warning,
                "recycle.off",
                format!("workers of the pool {} are never replaced, and nothing limits their memory: a leak grows until the machine is full", pool.name),
                "set pools.NAME.recycle.max_memory or max_requests, or process.max_rss",
            );
        }
    }
    for notice in &config.source.notices {
        let (grade, id) = match notice.unheeded {
            // The configuration says of it that strangers may stop the server.
            true if notice.subject.starts_with("guard.") => (Grade::Error, "guard.open"),
            true => (Grade::Warning, "config.notice"),
            false => (Grade::Note, "config.notice"),
        };
        diagnosis.complain(grade, id, notice.message.clone(), "see docs/configuration.md and docs/guard.md");
    }
}

fn tell_mode(config: &Config, project: &Project, diagnosis: &mut Diagnosis) {
    let (mode, words) = match &config.http.site.mode {
        Mode::Worker { script } => ("worker", format!("worker: app.worker names {}", script.display())),
        Mode::Classic { .. } => {
            ("classic", "classic, one run of a script per request: no app.worker is configured".to_owned())
        }
    };
    diagnosis.fact("mode", words, mode);
    diagnosis.fact("workers", config.pool.workers.to_string(), config.pool.workers);
    if mode == "classic" && project.symfony().is_some() && project.has_worker_file() {
        diagnosis.complain(
            Grade::Note,
            "worker.possible",
            "this application can run as a worker, which boots once and not with each request",
            "set worker = \"public/index.php\" in [app] of supercharger.toml, or start `supercharger php-server --worker public/index.php`",
        );
    }
}
