//! Events that go into the feed alone: too many for a log, or in the words of programs that follow it. They cost nothing while there is no
//! feed.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::Place;
use crate::telemetry::escape::number;
use crate::telemetry::{RecycleReason, escape, feed, redact, resident_bytes};

const MIB: f64 = 1024.0 * 1024.0;

/// `runtime.reset`: the boundary after a request has been run.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeReset<'a, T> {
    /// Which worker.
    pub place: Place<'a>,
    /// The request that is over.
    pub request_id: &'a [u8],
    /// Status that its client was told.
    pub status: u16,
    /// When it was over.
    pub ended: SystemTime,
    /// How long it took; none if it has not been run.
    pub took: Option<Duration>,
    /// Resetters of the application.
    pub resetters: u32,
    /// Names of those that have thrown, and `Class: message` of each.
    pub thrown: T,
}

impl<'a, T: Iterator<Item = (&'a str, &'a str)>> RuntimeReset<'a, T> {
    /// Reports it. Each request has one of these, so it takes the way of an access line (`telemetry::access`) and not that of other events.
    pub fn emit(self) {
        let ended = self.ended;
        feed::put_at("runtime.reset", || ended, |out| self.payload(out));
    }

    fn payload(self, out: &mut String) -> fmt::Result {
        let (failed, errors): (Vec<_>, Vec<_>) = self.thrown.unzip();
        let count = errors.len() + usize::from(self.took.is_none());
        let mut buffer = itoa::Buffer::new();
        let took = self.took.map(|took| buffer.format(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)));
        out.push_str("{\"resetReport\":{\"resetCount\":");
        number(out, self.resetters);
        out.push_str(",\"errorCount\":");
        number(out, count);
        out.push_str(",\"durationMs\":");
        decimal(out, took, 6);
        if errors.is_empty() {
            out.push_str(",\"error\":[],\"failed\":[]},\"durationSec\":");
        } else {
            let (errors, failed) = (texts(&errors), texts(&failed));
            write!(out, ",\"error\":{errors},\"failed\":{failed}}},\"durationSec\":")?;
        }
        decimal(out, took, 9);
        out.push_str(if count == 0 { ",\"ok\":true,\"requestId\":" } else { ",\"ok\":false,\"requestId\":" });
        match std::str::from_utf8(self.request_id) {
            Ok(id) => escape::json(out, id)?,
            Err(_) => escape::json(out, &String::from_utf8_lossy(self.request_id))?,
        }
        SEAT.with_borrow_mut(|seat| seat.write(out, self.status, self.place))
    }
}

/// The status and the place that were written last, as they end a payload: a worker's thread writes its own with each request.
#[derive(Default)]
struct Seat {
    status: u16,
    pool: String,
    slot: u32,
    incarnation: u64,
    text: String,
}

thread_local! {
    static SEAT: RefCell<Seat> = RefCell::default();
}

impl Seat {
    fn write(&mut self, out: &mut String, status: u16, place: Place<'_>) -> fmt::Result {
        let Place { pool, slot, incarnation } = place;
        let same = (self.status, self.slot, self.incarnation) == (status, slot, incarnation) && self.pool == pool;
        if !same || self.text.is_empty() {
            let mut text = format!(",\"statusCode\":{status},\"pool\":");
            escape::json(&mut text, pool)?;
            write!(text, ",\"slot\":{slot},\"incarnation\":{incarnation}}}")?;
            *self = Self { status, pool: pool.to_owned(), slot, incarnation, text };
        }
        out.push_str(&self.text);
        Ok(())
    }
}

/// Nanoseconds as a number of a unit that has so many digits of them behind the point; `null` if there are none.
fn decimal(out: &mut String, nanos: Option<&str>, digits: usize) {
    let Some(nanos) = nanos else {
        return out.push_str("null");
    };
    let (whole, part) = nanos.split_at(nanos.len().saturating_sub(digits));
    out.push_str(if whole.is_empty() { "0" } else { whole });
    out.push('.');
    out.push_str(&"000000000"[..digits - part.len()]);
    out.push_str(part);
}

/// A list of texts as JSON, without secrets.
fn texts(texts: &[&str]) -> String {
    redact::json(&json!(texts).to_string())
}

/// `runtime.workerDecision`: an incarnation is replaced, or sent away.
#[derive(Debug, Clone, Copy)]
pub struct WorkerDecision<'a> {
    /// Which one.
    pub place: Place<'a>,
    /// Why.
    pub reason: RecycleReason,
    /// Requests it was given.
    pub requests: u64,
    /// Its life.
    pub uptime: Duration,
    /// What its latest request took.
    pub duration: Duration,
    /// Bytes on its Zend heap after the latest reset.
    pub memory: u64,
    /// The same after its first requests, if it has had those.
    pub baseline: Option<u64>,
    /// Most bytes there.
    pub memory_peak: u64,
}

impl WorkerDecision<'_> {
    /// Reports it.
    pub fn emit(&self) {
        feed::put("runtime.workerDecision", |out| self.payload(out));
    }

    fn payload(&self, out: &mut String) -> fmt::Result {
        let Place { pool, slot, incarnation } = self.place;
        let hard = matches!(self.reason, RecycleReason::Timeout | RecycleReason::Crash | RecycleReason::Fatal);
        let payload = json!({
            "decision": {
                "shouldRecycle": true,
                "action": if hard { "hardExit" } else { "gracefulExit" },
                "reason": self.reason.header(),
                "requestCount": self.requests,
                "uptimeSec": self.uptime.as_secs_f64(),
                "durationSec": self.duration.as_secs_f64(),
                "rssMemoryMb": resident_bytes(std::process::id()).map(|bytes| (bytes as f64 / MIB * 10.0).round() / 10.0),
                "memoryByte": self.memory,
                "baselineMemoryByte": self.baseline,
                "memoryHighWaterByte": self.memory_peak,
                "memoryGrowthByte": self.baseline.map(|baseline| self.memory_peak.saturating_sub(baseline)),
            },
            "pool": pool,
            "slot": slot,
            "incarnation": incarnation,
        });
        out.push_str(&redact::json(&payload.to_string()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_that_went_well_and_one_that_did_not() {
        let reset = |took, thrown: &'static [(&'static str, &'static str)]| {
            let mut text = String::new();
            let place = Place { pool: "a\"b", slot: 1, incarnation: 2 };
            RuntimeReset {
                place,
                request_id: b"r-1",
                status: 200,
                ended: SystemTime::UNIX_EPOCH,
                took,
                resetters: 3,
                thrown: thrown.iter().copied(),
            }
            .payload(&mut text)
            .expect("a string takes everything");
            serde_json::from_str::<serde_json::Value>(&text).expect("valid JSON")
        };
        let mut expected = json!({
            "resetReport": {"resetCount": 3, "errorCount": 0, "durationMs": 1_002.000_003, "error": [], "failed": []},
            "durationSec": 1.002_000_003, "ok": true, "requestId": "r-1", "statusCode": 200,
            "pool": "a\"b", "slot": 1, "incarnation": 2,
        });
        assert_eq!(reset(Some(Duration::new(1, 2_000_003)), &[]), expected);

        expected["ok"] = json!(false);
        expected["resetReport"]["errorCount"] = json!(1);
        expected["resetReport"]["error"] = json!(["PDOException: no mysql://db/x"]);
        expected["resetReport"]["failed"] = json!(["App\\Cache"]);
        let thrown = &[("App\\Cache", "PDOException: no mysql://u:s3cret@db/x")];
        assert_eq!(reset(Some(Duration::new(1, 2_000_003)), thrown), expected);

        // The place that was written last is kept, and is not another's.
        for (status, pool, slot, incarnation) in
            [(200, "a", 1, 2), (200, "b", 1, 2), (200, "b", 2, 2), (200, "b", 2, 3), (404, "b", 2, 3)]
        {
            let (place, mut text) = (Place { pool, slot, incarnation }, String::new());
            let took = Some(Duration::ZERO);
            RuntimeReset {
                place,
                request_id: b"r",
                status,
                ended: SystemTime::UNIX_EPOCH,
                took,
                resetters: 0,
                thrown: std::iter::empty(),
            }
            .payload(&mut text)
            .expect("a string takes everything");
            let expected =
                format!("\"statusCode\":{status},\"pool\":\"{pool}\",\"slot\":{slot},\"incarnation\":{incarnation}}}");
            assert!(text.ends_with(&expected), "{text}");
        }

        let missing = reset(None, &[]);
        assert_eq!((&missing["resetReport"]["errorCount"], &missing["durationSec"]), (&json!(1), &json!(null)));
        assert_eq!(missing["ok"], false);
    }
}
