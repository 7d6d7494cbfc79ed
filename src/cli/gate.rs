//! `gate`: may this version go to production? Probes routes of a running server and says yes or no by its exit code.

#![forbid(unsafe_code)]

mod memory;
mod probe;
mod report;
mod server;
mod verdict;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;
use http::uri::{Authority, Scheme, Uri};
use http::{HeaderName, HeaderValue, Method};

use super::client::Server;
use super::control::Where;
use super::exit::Error;
use crate::config;
use crate::http::ListenAddress;
use memory::{Growth, Memory};
use probe::{Sample, Target};
use report::Report;
use server::Look;
use tokio::runtime::Runtime;
use verdict::{Limits, Verdict};

/// Routes of one run: each takes its time one after the other.
const MOST_ROUTES: usize = 200;
/// What is probed if nobody says otherwise.
const PROBED: &str = "127.0.0.1:8080";
/// Looks at the workers while a route is asked, if that takes long enough; a soak has more.
const LOOKS: u32 = 40;
/// Between two looks.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(250);

/// Probe routes of a running server and say whether it may go to production: exit code 0 or 1.
///
/// Each route is asked for a time by several clients side by side. It fails if the 95th percentile of the latency or the rate of
/// failures is beyond its limit, or if there was no answer at all. Every status from 400 on is a failure, 403 and 404 too: who probes a
/// route means one that is there. With --admin or --config the server itself is looked at as well: a worker or process that ended
/// without having been told to fails the gate, and so does memory that grew: each worker is compared with itself while a route is asked. If
/// no worker served a route long enough for that, the gate is shut too, unless --accept-unjudged says that this will do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger gate --url http://127.0.0.1:8080 --route / --route /products/1\n      \
            ten seconds each, 95 % within 250 ms, at most 0.5 % failures\n  \
        supercharger gate --route 'GET /search?q=a p95=400ms' --route 'POST /orders' --accept 422\n      \
            a limit of its own; a POST may take 700 ms, and 422 is what this one should answer\n  \
        supercharger gate --duration 30m --concurrency 10 --admin 127.0.0.1:9180\n      \
            a soak: memory of the workers may grow by 10 %, none may crash\n\n\
        Writes OUTPUT/TIME/gate.json, gate.log, platform.json and route/KEY/probe.csv (ts,http_code,ms,bytes).\n\n\
        Exit codes: 0 pass, 1 fail or nothing could be probed, 2 wrong usage, 78 configuration error.")]
pub(super) struct Arguments {
    /// The server that is probed; http only: TLS ends before it
    /// [default: the first address of server.listen with --config, else http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", value_parser = base)]
    url: Option<Authority>,
    /// [METHOD ]PATH[ p95=DURATION], may be given several times
    #[arg(long, value_name = "ROUTE", default_value = "/", value_parser = route)]
    route: Vec<Route>,
    /// How long each route is probed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// How long each route is asked before that, without counting
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    warm_up: Duration,
    /// Clients side by side
    #[arg(long, value_name = "COUNT", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
    /// Longest time for one answer; beyond, the request has failed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    timeout: Duration,
    /// Limit of the 95th percentile for GET, HEAD and OPTIONS
    #[arg(long, value_name = "DURATION", default_value = "250ms", value_parser = duration)]
    read_p95: Duration,
    /// Limit of the 95th percentile for other methods
    #[arg(long, value_name = "DURATION", default_value = "700ms", value_parser = duration)]
    write_p95: Duration,
    /// Limit of the share of failures, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0.005", value_parser = share)]
    fail_rate: f64,
    /// A status from 400 on that is no failure, may be given several times
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=599))]
    accept: Vec<u16>,
    /// A header of every request, `Name: value`, may be given several times
    #[arg(long, value_name = "HEADER", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    #[command(flatten)]
    at: Where,
    /// With --admin or --config: how much the memory of the workers may grow, as a share
    #[arg(long, value_name = "SHARE", default_value = "0.10", value_parser = share)]
    memory_growth: f64,
    /// With --admin or --config: how many workers and processes may end without having been told to
    #[arg(long, value_name = "COUNT", default_value = "0")]
    restarts: u64,
    /// With --admin or --config: pass although the growth of memory could not be judged, because no worker lived and served long enough
    #[arg(long)]
    accept_unjudged: bool,
    /// Folder for the evidence
    #[arg(long, value_name = "DIR", default_value = "report/runtime/gate")]
    output: PathBuf,
    /// Print gate.json instead of a table
    #[arg(long)]
    json: bool,
}

/// What is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    method: Method,
    path: String,
    p95: Option<Duration>,
}

impl Route {
    /// A name that may be one of a folder, different for each index.
    fn key(&self, index: usize) -> String {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
        let path: String = self.path.split('?').next().unwrap_or_default().chars().map(letter).take(60).collect();
        format!("{:02}-{}{}", index + 1, self.method.as_str().to_ascii_lowercase(), path.trim_end_matches('-'))
    }
}

fn base(text: &str) -> Result<Authority, String> {
    let uri: Uri = text.parse().map_err(|_| "no URL such as http://127.0.0.1:8080".to_owned())?;
    match (uri.scheme(), uri.authority(), uri.path()) {
        (Some(scheme), Some(authority), "" | "/") if *scheme == Scheme::HTTP => Ok(authority.clone()),
        (Some(scheme), ..) if *scheme != Scheme::HTTP => Err("only http: probe behind what ends TLS".to_owned()),
        _ => Err("no URL such as http://127.0.0.1:8080; paths go into --route".to_owned()),
    }
}

fn route(text: &str) -> Result<Route, String> {
    let mut words = text.split_whitespace().peekable();
    let method = match words.peek() {
        Some(word) if !word.starts_with('/') => {
            words.next().unwrap_or_default().parse().map_err(|_| "the method is none".to_owned())?
        }
        _ => Method::GET,
    };
    let path = words.next().filter(|path| path.starts_with('/') && path.parse::<Uri>().is_ok());
    let path = path.ok_or("a route is [METHOD ]PATH[ p95=DURATION], and the path begins with /")?.to_owned();
    let p95 = match words.next().map(|word| word.strip_prefix("p95=").and_then(config::parse_duration)) {
        Some(None) => return Err("after the path only p95=DURATION may stand".to_owned()),
        Some(limit) => limit,
        None => None,
    };
    if words.next().is_some() {
        return Err("after the path only p95=DURATION may stand".to_owned());
    }
    Ok(Route { method, path, p95 })
}

fn duration(text: &str) -> Result<Duration, String> {
    config::parse_duration(text).ok_or_else(|| "no duration such as 250ms, 10s or 30m".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "no number from 0 to 1".to_owned())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is `Name: value`")?;
    let name = name.trim().parse().map_err(|_| "the name is none".to_owned())?;
    let mut value: HeaderValue = value.trim().parse().map_err(|_| "the value has control characters".to_owned())?;
    // It may be a token.
    value.set_sensitive(true);
    Ok((name, value))
}

/// Probes, writes the evidence, and fails if the gate is shut.
pub(super) fn run(mut arguments: Arguments) -> Result<(), Error> {
    if arguments.route.len() > MOST_ROUTES {
        return Err(Error::Control(format!("more than {MOST_ROUTES} routes")));
    }
    let at = std::mem::take(&mut arguments.at);
    let (admin, listen) = match at.is_given() {
        true => at.places().map(|(server, listen)| (Some(server), listen))?,
        false => (None, None),
    };
    let authority = match (arguments.url.take(), listen) {
        (Some(given), _) => given,
        (None, Some(listen)) => probed(&listen)?,
        (None, None) => Authority::from_static(PROBED),
    };
    // Who is not there, or is somebody else, is told at once.
    admin.as_ref().map(server::look).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Control(format!("cannot probe: {error}")))?;
    let unwritable = |error| Error::Control(format!("cannot write to {}: {error}", arguments.output.display()));
    let mut report = Report::begin(&arguments.output, arguments.json).map_err(unwritable)?;
    let run = Run { arguments: &arguments, authority: &authority, admin: admin.as_ref(), runtime };
    for route in &arguments.route {
        drop(run.runtime.block_on(probe::run(run.target(route), arguments.concurrency, arguments.warm_up)));
    }
    let before = admin.as_ref().map(server::look).transpose()?;
    let (mut last, mut verdicts, mut memory) = (before.clone(), Vec::new(), Vec::new());
    for (index, route) in arguments.route.iter().enumerate() {
        let key = route.key(index);
        let (samples, look) = run.route(route, &key, last.as_ref())?;
        if let Some((look, growth)) = look {
            last = Some(look);
            memory.push(growth);
        }
        report.samples(&key, &samples).map_err(unwritable)?;
        let verdict = Verdict::of(key, route, &samples, &run.limits(route));
        report.line(&verdict.told()).map_err(unwritable)?;
        verdicts.push(verdict);
    }
    run.runtime.shutdown_background();
    let limits = server::Limits {
        memory_growth: arguments.memory_growth,
        unjudged: arguments.accept_unjudged,
        restarts: arguments.restarts,
    };
    let change = before.zip(last).map(|(before, last)| server::Change::between(&before, &last, memory, limits));
    if let Some(change) = &change {
        report.line(&change.told()).map_err(unwritable)?;
    }
    let text = report.end(&verdicts, change.as_ref(), &authority).map_err(unwritable)?;
    if arguments.json {
        super::print(&text)?;
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.pass).count();
    match (failed, change.is_none_or(|change| change.pass)) {
        (0, true) => Ok(()),
        (0, false) => Err(Error::Control("the gate is shut: the server itself is at fault".to_owned())),
        _ => Err(Error::Control(format!("the gate is shut: {failed} of {} routes failed", verdicts.len()))),
    }
}

/// Where a server is probed that listens there: at its first address that clients of this machine reach by TCP.
fn probed(listen: &[ListenAddress]) -> Result<Authority, Error> {
    let tcp = listen.iter().find_map(|address| match address {
        ListenAddress::Tcp(tcp) => Some(tcp.reachable()),
        ListenAddress::Unix(_) => None,
    });
    let authority = tcp.and_then(|(host, port)| {
        let host = match host.parse::<IpAddr>() {
            // Nobody's name: an application that checks its hosts refuses it.
            Ok(every) if every.is_unspecified() => "127.0.0.1".to_owned(),
            Ok(IpAddr::V6(one)) => format!("[{one}]"),
            Ok(IpAddr::V4(_)) | Err(_) => host,
        };
        format!("{host}:{port}").parse().ok()
    });
    authority
        .ok_or_else(|| Error::Control("server.listen has no address that can be probed; --url names one".to_owned()))
}

/// What all routes have in common.
#[derive(Debug)]
struct Run<'a> {
    arguments: &'a Arguments,
    authority: &'a Authority,
    admin: Option<&'a Server>,
    runtime: Runtime,
}

/// The server after a route, and what its workers keep of it.
type Seen = (Look, Growth);

impl Run<'_> {
    fn target(&self, route: &Route) -> Target {
        Target {
            authority: self.authority.clone(),
            method: route.method.clone(),
            path: route.path.clone(),
            headers: self.arguments.header.clone(),
            timeout: self.arguments.timeout,
        }
    }

    fn limits(&self, route: &Route) -> Limits {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&route.method);
        let general = if reads { self.arguments.read_p95 } else { self.arguments.write_p95 };
        Limits {
            p95: route.p95.unwrap_or(general),
            fail_rate: self.arguments.fail_rate,
            accepted: self.arguments.accept.clone(),
        }
    }

    /// Asks for a route, and looks at the server meanwhile, if there is one to look at, and afterwards.
    fn route(&self, route: &Route, key: &str, before: Option<&Look>) -> Result<(Vec<Sample>, Option<Seen>), Error> {
        let Arguments { concurrency, duration, .. } = self.arguments;
        let probe = || self.runtime.block_on(probe::run(self.target(route), *concurrency, *duration));
        let Some((server, before)) = self.admin.zip(before) else { return Ok((probe(), None)) };
        let mut memory = Memory::begin(before.heaps.clone());
        let (end, ended) = mpsc::channel();
        let samples = thread::scope(|scope| {
            let pause = (*duration / LOOKS).clamp(SHORTEST, LONGEST);
            let seen = &mut memory;
            scope.spawn(move || server::watch(server, seen, pause, &ended));
            let samples = probe();
            drop(end);
            samples
        });
        let after = server::look(server)?;
        memory.see(&after.heaps);
        let growth = memory.growth(key, after.requests.saturating_sub(before.requests));
        Ok((samples, Some((after, growth))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read() {
        let read = |text| route(text).map(|route| (route.method.to_string(), route.path, route.p95));
        let millis = Duration::from_millis;
        assert_eq!(read("/"), Ok(("GET".to_owned(), "/".to_owned(), None)));
        assert_eq!(read("/a?b=c p95=40ms"), Ok(("GET".to_owned(), "/a?b=c".to_owned(), Some(millis(40)))));
        assert_eq!(read("POST /orders p95=1s"), Ok(("POST".to_owned(), "/orders".to_owned(), Some(millis(1000)))));
        for wrong in ["", "orders", "POST", "GET orders", "/a p95=", "/a p99=1s", "/a p95=1s more"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_are_names_of_folders() {
        let key = |text: &str, index| route(text).expect("a route").key(index);
        assert_eq!(key("/", 0), "01-get");
        assert_eq!(key("POST /a/../B?c=/d", 9), "10-post-a----b");
    }

    #[test]
    fn only_http_is_probed() {
        assert_eq!(base("http://127.0.0.1:8080/").map(|base| base.to_string()), Ok("127.0.0.1:8080".to_owned()));
        for wrong in ["https://127.0.0.1", "127.0.0.1:8080", "http://127.0.0.1/path", "/"] {
            assert!(base(wrong).is_err(), "{wrong}");
        }
    }
}
