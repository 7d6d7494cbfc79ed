//! Distributed traces: which requests are traced, and the way of their spans to a collector (OTLP).
//!
//! Who owns what: `http` and `pool` hand over what they know of a request when their part of it is over, as one record each. A
//! bounded queue takes it without waiting; a thread of its own turns records into spans and sends them in batches. Only this
//! thread speaks to the network, on a runtime of its own.
//!
//! What must never happen: a request that waits for the collector, or memory that grows because the collector does not answer. What the
//! queue cannot take, and what the collector does not take in time, is lost, counted and told.

#![forbid(unsafe_code)]

mod exporter;
mod record;
mod transport;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{SpanId, SpanKind, TraceFlags, TraceId};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample as _};

pub use exporter::Counts;
pub use record::{Child, Part, PhpRecord, RequestRecord};

use exporter::Exporter;

/// Our ids are random from end to end, which level 2 of W3C Trace Context has a flag for (section 3.2.2.5.2).
pub const RANDOM: TraceFlags = TraceFlags::new(0x02);

/// How requests are traced.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The collector: an `http` or `https` address; for [`Protocol::Http`] with the path that traces are sent to.
    pub endpoint: String,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Header fields that it wants with each message.
    pub headers: Headers,
    /// Longest time for one message, repetitions included.
    pub timeout: Duration,
    /// What the collector calls this server.
    pub service_name: String,
    /// What else there is to say of it.
    pub attributes: Vec<(String, String)>,
    /// Which part of the requests is traced whose client does not decide that, from 0 to 1.
    pub sample: f64,
    /// Whether the client decides, if it sends a context.
    pub parent_based: bool,
}

/// Names and values of header fields, which may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Two of the ways that OTLP has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Protocol buffers over HTTP/1.1.
    Http,
    /// gRPC.
    Grpc,
}

/// Where a request comes from: the context that its client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The client's trace.
    pub id: TraceId,
    /// The client's span.
    pub span: SpanId,
    /// Whether it reports it, and whether the id is random.
    pub flags: TraceFlags,
}

/// Decides which requests are traced, and takes what there is to tell of them.
#[derive(Debug)]
pub struct Tracer {
    exporter: Exporter,
    ids: RandomIdGenerator,
    ratio: Sampler,
    parent_based: bool,
}

impl Tracer {
    /// Starts the thread that sends. Nothing is connected before there is something to send.
    ///
    /// # Errors
    /// The system gives no thread, or what it needs to speak to the network.
    pub fn start(config: Config) -> io::Result<Arc<Self>> {
        let ratio = Sampler::TraceIdRatioBased(config.sample);
        let parent_based = config.parent_based;
        let exporter = Exporter::start(config)?;
        Ok(Arc::new(Self { exporter, ids: RandomIdGenerator::default(), ratio, parent_based }))
    }

    /// The id of a request's trace, and whether it is reported.
    pub fn trace(&self, parent: Option<Parent>) -> (TraceId, TraceFlags) {
        let (id, random) = match parent {
            Some(parent) => (parent.id, parent.flags & !TraceFlags::SAMPLED),
            None => (self.ids.new_trace_id(), RANDOM),
        };
        let sampled = match parent {
            Some(parent) if self.parent_based => parent.flags.is_sampled(),
            _ => {
                let decided = self.ratio.should_sample(None, id, "", &SpanKind::Server, &[], &[]);
                decided.decision == SamplingDecision::RecordAndSample
            }
        };
        (id, random.with_sampled(sampled))
    }

    /// The id of a new span.
    pub fn span(&self) -> SpanId {
        self.ids.new_span_id()
    }

    /// Takes what is to be told of a request as a whole.
    pub fn request(&self, record: RequestRecord) {
        self.exporter.take(record::Record::Request(Box::new(record)));
    }

    /// Takes what is to be told of PHP's part in a request.
    pub fn php(&self, record: PhpRecord) {
        self.exporter.take(record::Record::Php(Box::new(record)));
    }

    /// What has become of the spans.
    pub fn counts(&self) -> Counts {
        self.exporter.counts()
    }

    /// Sends what is left and ends the thread. Blocks no longer than `limit`; what has not left by then is lost.
    pub fn stop(&self, limit: Duration) {
        self.exporter.stop(limit);
    }
}

#[cfg(test)]
mod tests;
