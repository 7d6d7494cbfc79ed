//! The one screen that a start ends in.

#![forbid(unsafe_code)]

use std::fmt;
use std::path::{Path, PathBuf};

use crate::http::Bound;

/// What the screen says.
#[derive(Debug)]
pub(super) struct Banner<'a> {
    /// Where the server really listens.
    pub(super) addresses: &'a [Bound],
    /// The worker script; none in classic mode.
    pub(super) worker: Option<&'a Path>,
    pub(super) root: &'a Path,
    pub(super) php: &'a str,
    pub(super) symfony: Option<&'a str>,
    /// Workers that serve, and those configured.
    pub(super) workers: (u32, u32),
    /// The pools beside the default one, each with the number of its workers at the start.
    pub(super) pools: Vec<(&'a str, u32)>,
    /// The configuration file, if one was read.
    pub(super) config: Option<PathBuf>,
    /// Where the admin endpoints are, if anywhere.
    pub(super) admin: Option<&'a Bound>,
    /// Whether changed files are served.
    pub(super) watching: bool,
    pub(super) pid: u32,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "supercharger {}\n", env!("CARGO_PKG_VERSION"))?;
        for address in self.addresses {
            match address {
                Bound::Tcp(address) if address.ip().is_unspecified() => {
                    writeln!(f, "  http://localhost:{}  (and every other address of this machine)", address.port())?;
                }
                Bound::Tcp(address) => writeln!(f, "  http://{address}")?,
                Bound::Unix(_) => writeln!(f, "  {address}")?,
            }
        }
        match self.worker {
            Some(script) => writeln!(f, "\n  Mode      worker, {}", script.display())?,
            None => writeln!(f, "\n  Mode      classic: scripts under the root, one run per request")?,
        }
        match self.workers {
            (ready, all) if ready < all => {
                writeln!(f, "  Workers   {ready} of {all}; the log says why the others did not boot")?
            }
            (_, all) => writeln!(f, "  Workers   {all}")?,
        }
        for (pool, workers) in &self.pools {
            writeln!(f, "  Pool      {pool}, {workers} of them")?;
        }
        writeln!(f, "  Root      {}", self.root.display())?;
        writeln!(f, "  PHP       {}", self.php)?;
        if let Some(version) = self.symfony {
            writeln!(f, "  Symfony   {version}")?;
        }
        if let Some(config) = &self.config {
            writeln!(f, "  Config    {}", config.display())?;
        }
        match self.admin {
            Some(Bound::Tcp(address)) => writeln!(f, "  Admin     http://{address}, supercharger status")?,
            Some(Bound::Unix(_)) => {
                writeln!(f, "  Admin     {}", self.admin.map(ToString::to_string).unwrap_or_default())?
            }
            None => {}
        }
        if self.watching {
            writeln!(f, "  Watch     changed files are served by new workers")?;
        }
        writeln!(f, "  Process   {}\n", self.pid)?;
        writeln!(f, "Ctrl-C stops the server once running requests are done; a second Ctrl-C ends it at once.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen() {
        let addresses = [
            Bound::Tcp("127.0.0.1:8080".parse().expect("valid")),
            Bound::Tcp("[::]:80".parse().expect("valid")),
            Bound::Unix(Some("/run/shop.sock".into())),
        ];
        let admin = Bound::Tcp("127.0.0.1:9180".parse().expect("valid"));
        let banner = Banner {
            addresses: &addresses,
            worker: Some(Path::new("/srv/shop/public/index.php")),
            root: Path::new("/srv/shop/public"),
            php: "8.4.24",
            symfony: Some("7.4.1"),
            workers: (3, 4),
            pools: vec![("legacy", 1)],
            config: Some(PathBuf::from("/srv/shop/supercharger.toml")),
            admin: Some(&admin),
            watching: true,
            pid: 42,
        };
        let expected = format!(
            "supercharger {}\n\n  http://127.0.0.1:8080\n  http://localhost:80  (and every other address of this machine)\n  \
             unix:/run/shop.sock\n\n  \
             Mode      worker, /srv/shop/public/index.php\n  Workers   3 of 4; the log says why the others did not boot\n  \
             Pool      legacy, 1 of them\n  \
             Root      /srv/shop/public\n  PHP       8.4.24\n  Symfony   7.4.1\n  Config    /srv/shop/supercharger.toml\n  \
             Admin     http://127.0.0.1:9180, supercharger status\n  Watch     changed files are served by new workers\n  Process   42\n\nCtrl-C stops the server once \
             running requests are done; a second Ctrl-C ends it at once.\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(banner.to_string(), expected);
    }
}
