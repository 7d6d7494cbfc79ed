//! Questions to several children at once, and their answers.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::ChildId;
use super::handle::Status;
use crate::control::Snapshot;

/// A child that has not answered by then is stuck; the others' answers are given without its own.
const PATIENCE: Duration = Duration::from_secs(1);

/// Open questions.
#[derive(Debug, Default)]
pub(super) struct Inquiries {
    next: u64,
    open: Vec<Inquiry>,
}

#[derive(Debug)]
struct Inquiry {
    number: u64,
    due: Instant,
    awaited: Vec<ChildId>,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Status { status: Box<Status>, of: Vec<ChildId>, to: oneshot::Sender<Status> },
    Recycle { workers: u32, to: oneshot::Sender<u32> },
}

impl Inquiries {
    /// Opens a question about everybody; `of` names the children of the status, in its order.
    pub(super) fn begin_status(&mut self, status: Status, of: Vec<ChildId>, to: oneshot::Sender<Status>) -> u64 {
        self.begin(Answer::Status { status: Box::new(status), of, to })
    }

    pub(super) fn begin_recycle(&mut self, to: oneshot::Sender<u32>) -> u64 {
        self.begin(Answer::Recycle { workers: 0, to })
    }

    fn begin(&mut self, answer: Answer) -> u64 {
        self.next += 1;
        self.open.push(Inquiry { number: self.next, due: Instant::now() + PATIENCE, awaited: Vec::new(), answer });
        self.next
    }

    /// Whose answers are waited for.
    pub(super) fn awaits(&mut self, number: u64, children: Vec<ChildId>) {
        if let Some(inquiry) = self.open.iter_mut().find(|inquiry| inquiry.number == number) {
            inquiry.awaited = children;
        }
    }

    pub(super) fn snapshot(&mut self, number: u64, child: ChildId, snapshot: Snapshot) {
        if let Some(Answer::Status { status, of, .. }) = self.answered(number, child)
            && let Some(index) = of.iter().position(|id| *id == child)
        {
            let child = &mut status.children[index];
            (child.snapshot, child.stale, child.unanswered) = (Some(snapshot), None, None);
        }
    }

    pub(super) fn recycled(&mut self, number: u64, child: ChildId, count: u32) {
        if let Some(Answer::Recycle { workers, .. }) = self.answered(number, child) {
            *workers += count;
        }
    }

    fn answered(&mut self, number: u64, child: ChildId) -> Option<&mut Answer> {
        let inquiry = self.open.iter_mut().find(|inquiry| inquiry.number == number)?;
        inquiry.awaited.retain(|id| *id != child);
        Some(&mut inquiry.answer)
    }

    /// A child will not answer any more.
    pub(super) fn gone(&mut self, child: ChildId) {
        for inquiry in &mut self.open {
            inquiry.awaited.retain(|id| *id != child);
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.open.iter().map(|inquiry| inquiry.due).min()
    }

    /// Answers what is complete or has waited long enough.
    pub(super) fn close(&mut self, now: Instant) {
        let over = |inquiry: &mut Inquiry| inquiry.awaited.is_empty() || inquiry.due <= now;
        for inquiry in self.open.extract_if(.., over) {
            match inquiry.answer {
                Answer::Status { status, to, .. } => drop(to.send(*status)),
                Answer::Recycle { workers, to } => drop(to.send(workers)),
            }
        }
    }
}
