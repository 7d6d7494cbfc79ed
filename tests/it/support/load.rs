//! Clients that ask over and over, and what they saw. Nothing panics here: what an answer means is for the test to say.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::client::{Answer, Body, Connection, Protocol};

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An answer; its body may be broken off.
    Answered(Answer),
    /// The connection ended before the head of an answer: it may have been carried out, or not.
    Broken,
    /// No connection could be had.
    Refused(io::Error),
}

/// One client: a connection that stays open, and another one when it breaks. Nothing is ever sent twice.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<Connection>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: impl Into<Body>) -> Outcome {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match Connection::try_open(self.address, Protocol::Http1).await {
                Ok(connection) => connection,
                Err(error) => return Outcome::Refused(error),
            },
        };
        let Ok(mut reading) = connection.try_begin(method, path, &[], body).await else { return Outcome::Broken };
        reading.rest().await;
        let answer = reading.answer();
        if !answer.closes() {
            self.connection = Some(connection);
        }
        Outcome::Answered(answer)
    }
}

/// What a crowd saw.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Answers by status; 0 for those whose body was broken off.
    pub(crate) answers: BTreeMap<u16, u64>,
    pub(crate) broken: u64,
    pub(crate) refused: u64,
    /// How long each answer took, in order of length once [`Tally::share`] has been asked for.
    times: Vec<Duration>,
    /// How long the crowd asked.
    pub(crate) lasted: Duration,
}

impl Tally {
    pub(crate) fn note(&mut self, outcome: &Outcome, time: Duration) {
        match outcome {
            Outcome::Answered(answer) => {
                let status = if answer.is_whole() { answer.status() } else { 0 };
                *self.answers.entry(status).or_default() += 1;
                self.times.push(time);
            }
            Outcome::Broken => self.broken += 1,
            Outcome::Refused(_) => self.refused += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
        self.broken += other.broken;
        self.refused += other.refused;
        self.times.extend(other.times);
    }

    /// Answers with status 200.
    pub(crate) fn ok(&self) -> u64 {
        self.answers.get(&200).copied().unwrap_or(0)
    }

    /// Everything else.
    pub(crate) fn failed(&self) -> u64 {
        self.answers.values().sum::<u64>() - self.ok() + self.broken + self.refused
    }

    /// Answers with status 200 a second.
    pub(crate) fn rate(&self) -> f64 {
        self.ok() as f64 / self.lasted.as_secs_f64()
    }

    /// The time within which this share of the answers had come, in per mille.
    pub(crate) fn share(&mut self, per_mille: usize) -> Duration {
        self.times.sort_unstable();
        self.times
            .get((self.times.len() * per_mille / 1000).min(self.times.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}

/// So many clients ask for so long, each for its next path when it has its answer; the number counts the requests of a client.
pub(crate) async fn ask_for(address: SocketAddr, clients: usize, time: Duration, path: fn(usize) -> String) -> Tally {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for offset in 0..clients {
        tasks.spawn(async move {
            let mut client = Client::new(address);
            let mut tally = Tally::default();
            for number in offset.. {
                let sent = Instant::now();
                if sent - begun >= time {
                    break;
                }
                let outcome = client.send("GET", &path(number), "").await;
                tally.note(&outcome, sent.elapsed());
            }
            tally
        });
    }
    let mut tally = Tally::default();
    while let Some(one) = tasks.join_next().await {
        tally.merge(one.expect("a client"));
    }
    tally.lasted = begun.elapsed();
    tally
}
