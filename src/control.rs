//! What the parent process and its children say to each other.
//!
//! A child is started with one end of a socket pair as its standard input. First come its descriptors ([`rights`]), then lines of
//! JSON in both directions, in order: the parent gives [`Order`]s, the child sends [`Report`]s. Whoever asks puts a number into its
//! question and finds it in the answer. The end of the stream says that the other side is gone.
//!
//! A child may be younger than its parent, after an upgrade: fields that are missing have defaults, what is unknown is passed over.
//! This module depends on nothing of ours.

#![forbid(unsafe_code)]

mod lines;
mod link;
mod rights;
mod snapshot;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use lines::{Lines, MAX_LINE_BYTES, TooLong, line};
pub use link::{Link, Reports};
pub use rights::{hand, receive as receive_rights, send as send_rights, take};
pub use snapshot::{
    Accounts, CheckState, PoolState, Recent, RecentRecycle, RecentRequest, RouteState, RunningRequest, Slope, Snapshot,
    SpanCounts, WorkerState,
};

/// The first line: what a child is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// Which configuration, code and executable: counts from 1, one up with each reload.
    pub generation: u64,
    /// Number of this child among those that serve side by side, 0-based.
    pub place: u32,
    /// The configuration file as the parent has read it; none if there is none.
    pub config: Option<ConfigFile>,
    /// The settings among the parent's variables, by name and value. Here and not in the environment, which PHP can read.
    pub variables: Vec<(String, String)>,
    /// How many of the descriptors are listening sockets; the board follows them, then the store if there is one, and the way to the
    /// endpoints.
    pub listeners: usize,
    /// Number of this child in the life of its parent: by it the parent finds what it leaves behind in the store. 0 without a store.
    pub child: u64,
}

/// A configuration file. All children of a generation are told the same text, also those that are started after it has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Its name, as it was given.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// Clients are told to come back later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Maintenance {
    /// What they are told.
    pub message: String,
    /// When to come back.
    pub retry_after_seconds: u32,
    /// Addresses and ranges whose requests are served all the same.
    pub allow: Vec<String>,
}

/// From the parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Accept connections.
    Serve,
    /// Finish what runs and end.
    Drain {
        /// Another child accepts on the same sockets: what waits in the kernel's queue is for that one, and clients that keep
        /// their connection get a last answer on it.
        handover: bool,
    },
    /// Say how it stands.
    Snapshot {
        /// To be repeated in the answer.
        id: u64,
        /// Somebody wants to know how the application's checks stand: old results are to be renewed.
        #[serde(default)]
        checks: bool,
    },
    /// Replace workers in order.
    Recycle {
        /// To be repeated in the answer.
        id: u64,
        /// Of this pool; all if none.
        pool: Option<String>,
        /// In this slot; all if none.
        slot: Option<u32>,
    },
    /// Tell clients to come back later, or serve them again.
    Maintain {
        /// None: serve.
        maintenance: Option<Maintenance>,
    },
    /// Open log files anew.
    ReopenLogs,
    /// In development: show this to who looks at a page, or nothing any more.
    Show {
        /// Why newer code does not come up, in PHP's words.
        mistake: Option<String>,
    },
    /// Something a younger parent says.
    #[serde(other)]
    Unknown,
}

/// From a child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The workers have reached their loops; it could serve.
    Ready {
        /// Workers that have.
        ready: u32,
        /// Workers that are configured.
        workers: u32,
    },
    /// It cannot serve, and ends.
    BootFailed {
        /// Why, for the operator.
        message: String,
    },
    /// It accepts no connection any more.
    NotAccepting,
    /// It reads no new request any more, on no connection.
    Quiet,
    /// It wants to be replaced in order.
    ReplaceMe {
        /// The label of a recycle reason.
        reason: String,
        /// More, for the operator.
        detail: String,
    },
    /// The answer to [`Order::Snapshot`].
    Snapshot {
        /// Of the question.
        id: u64,
        /// How it stands.
        snapshot: Box<Snapshot>,
    },
    /// The answer to [`Order::Recycle`].
    Recycled {
        /// Of the question.
        id: u64,
        /// How many workers were told.
        workers: u32,
    },
    /// The last word.
    Ended {
        /// Connections that were cut because the drain took too long.
        connections_cut: usize,
        /// PHP threads that were left behind.
        workers_left: u32,
        /// What it has counted.
        #[serde(default)]
        pools: Vec<PoolState>,
        /// What it has answered.
        #[serde(default)]
        http: Vec<RouteState>,
        /// What has become of its spans.
        #[serde(default)]
        spans: SpanCounts,
    },
    /// Something a younger child says.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_survives_the_way() {
        let count = |label: &str| std::collections::BTreeMap::from([(label.to_owned(), 1)]);
        let accounts = Accounts { statuses: count("200"), outcomes: count("ok"), ..Accounts::default() };
        let pools = vec![PoolState { accounts, ..PoolState::default() }];
        let answers = [("GET".to_owned(), count("200"))].into();
        let http = vec![RouteState { answers, ..RouteState::default() }];
        let spans = SpanCounts { exported: 1, dropped: 2, failed: 3 };
        let snapshot = Snapshot { pools: pools.clone(), http: http.clone(), spans, ..Snapshot::default() };
        for report in [
            Report::Snapshot { id: 1, snapshot: Box::new(snapshot) },
            Report::Ended { connections_cut: 0, workers_left: 0, pools, http, spans },
        ] {
            let text = serde_json::to_string(&report).expect("text");
            assert_eq!(serde_json::from_str::<Report>(&text).expect("the same"), report, "{text}");
        }
    }

    #[test]
    fn what_the_other_side_says_and_is_not_known_is_passed_over() {
        let cases = [
            (r#"{"order":"serve"}"#, Order::Serve),
            (r#"{"order":"drain","handover":true,"novel":1}"#, Order::Drain { handover: true }),
            (r#"{"order":"dance","with":"me"}"#, Order::Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(serde_json::from_str::<Order>(text).expect(text), expected);
        }
        assert_eq!(serde_json::from_str::<Report>(r#"{"report":"novel"}"#).expect("passed over"), Report::Unknown);
        assert_eq!(serde_json::from_str::<Hello>("{}").expect("defaults"), Hello::default());
    }
}
