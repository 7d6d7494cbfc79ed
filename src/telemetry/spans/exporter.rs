//! The queue of records and the thread that empties it.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use parking_lot::Mutex;
use tokio::runtime::{self, Runtime};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, sleep_until, timeout};

use super::record::{Record, Spans};
use super::{Config, transport};
use crate::telemetry::events::TracesLost;

/// Records that may wait: a few MiB, and a second of what a busy process reports.
const QUEUE: usize = 4096;
/// Records in one message. The thread is woken when so many wait.
const BATCH: usize = 512;
/// What spans of applications may take in the queue, in bytes. A request may have 256 of them, so the number of records alone is no bound.
const TOLD_MOST: usize = 16 * 1024 * 1024;
/// What they may take in one message, about: collectors take 4 MiB by gRPC. The thread is woken when so much waits.
const TOLD_BATCH: usize = 1024 * 1024;
/// Longest time that a record waits for others to travel with.
const DELAY: Duration = Duration::from_secs(1);
/// Losses are told at once, then no more often than this.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// What the end of a stop may take beyond its limit: the thread has only to return.
const SETTLE: Duration = Duration::from_millis(200);

const TOO_LATE: &str = "the server ended before the collector answered";

/// What has become of the spans of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// The collector has taken them.
    pub sent: u64,
    /// There was no room for them: more came than the collector takes.
    pub dropped: u64,
    /// The collector did not take them, or not in time.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Shared {
    /// Rung when a batch waits.
    bell: Notify,
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    /// What spans of applications take in the queue, in bytes.
    told: AtomicUsize,
}

impl Shared {
    fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts { sent: of(&self.sent), dropped: of(&self.dropped), failed: of(&self.failed) }
    }
}

/// The near end of the queue.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: Sender<Record>,
    shared: Arc<Shared>,
    /// Until when everything must have been sent, once it is to end.
    end: watch::Sender<Option<Instant>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

impl Exporter {
    pub(super) fn start(config: Config) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let exporter = {
            let _entered = runtime.enter();
            transport::build(&config)?
        };
        let (queue, records) = bounded(QUEUE);
        let (end, until) = watch::channel(None);
        let (alive, ended) = bounded::<()>(0);
        let shared = Arc::new(Shared::default());
        let mut sending = Sending {
            shared: Arc::clone(&shared),
            records,
            until,
            exporter,
            limit: config.timeout,
            told: Told::default(),
        };
        let body = move || {
            sending.run(&runtime);
            // Hanging connections are left alone.
            runtime.shutdown_background();
            drop(alive);
        };
        let thread = thread::Builder::new().name("sc-otlp".to_owned()).spawn(body)?;
        Ok(Self { queue, shared, end, thread: Mutex::new(Some(thread)), ended })
    }

    /// Queues a record; never waits.
    pub(super) fn take(&self, mut record: Record) {
        let told = self.make_room(&mut record);
        match self.queue.try_send(record) {
            Ok(()) if told >= TOLD_BATCH || self.queue.len() >= BATCH => self.shared.bell.notify_one(),
            Ok(()) => {}
            Err(TrySendError::Full(record) | TrySendError::Disconnected(record)) => {
                self.shared.told.fetch_sub(record.told_bytes(), Ordering::Relaxed);
                self.shared.dropped.fetch_add(record.spans(), Ordering::Relaxed);
            }
        }
    }

    /// Notes what an application's spans take in the queue, or drops them. Returns what all of them take; 0 for a record without.
    fn make_room(&self, record: &mut Record) -> usize {
        let bytes = record.told_bytes();
        if bytes == 0 {
            return 0;
        }
        let told = self.shared.told.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if told > TOLD_MOST {
            self.shared.told.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.dropped.fetch_add(record.forget_told(), Ordering::Relaxed);
        }
        told
    }

    pub(super) fn counts(&self) -> Counts {
        self.shared.counts()
    }

    pub(super) fn stop(&self, limit: Duration) {
        self.end.send_replace(Some(Instant::now() + limit));
        // It says nothing: it ends, and its end of the channel with it. One that does not is left alone.
        let ended = self.ended.recv_timeout(limit + SETTLE) == Err(RecvTimeoutError::Disconnected);
        if let Some(thread) = self.thread.lock().take().filter(|_| ended) {
            drop(thread.join());
        }
    }
}

/// The far end, on its thread.
struct Sending {
    shared: Arc<Shared>,
    records: Receiver<Record>,
    until: watch::Receiver<Option<Instant>>,
    exporter: SpanExporter,
    limit: Duration,
    told: Told,
}

impl Sending {
    fn run(&mut self, runtime: &Runtime) {
        runtime.block_on(async {
            let mut until = self.until.clone();
            while until.borrow_and_update().is_none() {
                tokio::select! {
                    () = self.shared.bell.notified() => {}
                    () = sleep(DELAY) => {}
                    // The sender lives as long as the near end; without it there is nobody left to report.
                    changed = until.changed() => if changed.is_err() { return },
                }
                self.send_all().await;
                self.tell(TELL_EVERY);
            }
            self.send_all().await;
        });
        self.tell(Duration::ZERO);
    }

    /// Sends what waits, batch by batch.
    async fn send_all(&mut self) {
        loop {
            let batch = self.batch();
            if batch.is_empty() {
                return;
            }
            if self.until.borrow().is_some_and(|end| end <= Instant::now()) {
                self.failed(batch.iter().map(Record::spans).sum(), TOO_LATE);
                continue;
            }
            let mut spans = Spans::default();
            for record in batch {
                spans.add(record);
            }
            self.send(spans.0).await;
        }
    }

    /// What the next message will have.
    fn batch(&self) -> Vec<Record> {
        let (mut batch, mut told) = (Vec::new(), 0);
        while batch.len() < BATCH && told < TOLD_BATCH {
            let Ok(record) = self.records.try_recv() else { break };
            let bytes = record.told_bytes();
            self.shared.told.fetch_sub(bytes, Ordering::Relaxed);
            told += bytes;
            batch.push(record);
        }
        batch
    }

    fn failed(&mut self, count: u64, why: &str) {
        self.shared.failed.fetch_add(count, Ordering::Relaxed);
        self.told.fault = Some(why.to_owned());
    }

    async fn send(&mut self, spans: Vec<SpanData>) {
        let count = spans.len() as u64;
        let mut until = self.until.clone();
        let end = async {
            // Without a sender nobody sets an end.
            let end = until.wait_for(Option::is_some).await.map(|end| *end);
            match end {
                Ok(Some(end)) => sleep_until(end.into()).await,
                Ok(None) | Err(_) => std::future::pending().await,
            }
        };
        // The library bounds when it repeats, not how long it waits for an answer.
        let fault = tokio::select! {
            biased;
            sent = timeout(self.limit, self.exporter.export(spans)) => match sent {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("the collector did not answer in time".to_owned()),
            },
            () = end => Some(TOO_LATE.to_owned()),
        };
        match fault {
            Some(fault) => self.failed(count, &fault),
            None => {
                self.shared.sent.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// Tells what has been lost since it was told last, unless that was less than `pause` ago.
    fn tell(&mut self, pause: Duration) {
        let now = self.shared.counts();
        let before = self.told.counts;
        let (dropped, failed) = (now.dropped - before.dropped, now.failed - before.failed);
        if dropped + failed == 0 || self.told.at.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        TracesLost { dropped, failed, error: self.told.fault.as_deref() }.emit();
        self.told = Told { counts: now, at: Some(Instant::now()), fault: None };
    }
}

/// What was told of losses.
#[derive(Debug, Default)]
struct Told {
    counts: Counts,
    at: Option<Instant>,
    /// The latest reason since then.
    fault: Option<String>,
}
