//! Clients that ask over and over, and what they saw. Nothing panics here: what an answer means is for the test to say.

use std::io;
use std::net::SocketAddr;

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
