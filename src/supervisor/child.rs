//! A child process as its parent sees it.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::process::{Pid, Signal, WaitStatus, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::plan::Plan;
use super::pulse::Pulse;
use super::{ChildId, Event};
use crate::control::{Hello, Lines, Order, Report, Snapshot, line};
use crate::job::{BOARD_BYTES, InFlight, in_flight};
use crate::telemetry::RecycleReason;
use crate::telemetry::events::{ChildStart, Process};

/// Orders that a child has not read yet. One that lets so many pile up is stuck; it gets no more.
const ORDERS: usize = 64;

/// How far a child has come. The order is that of its life; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Its workers boot.
    Booting,
    /// It could serve.
    Standby,
    /// It serves.
    Serving,
    /// It was told to end.
    Draining,
    /// It accepts no connection any more.
    NotAccepting,
    /// It reads no new request any more.
    Quiet,
}

impl Stage {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Booting => "booting",
            Self::Standby => "standby",
            Self::Serving => "serving",
            Self::Draining | Self::NotAccepting => "draining",
            Self::Quiet => "ending",
        }
    }
}

/// A generation: a plan with its number.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) plan: Plan,
    listeners: Mutex<Vec<OwnedFd>>,
}

impl Generation {
    pub(super) fn new(number: u64, mut plan: Plan) -> Self {
        let listeners = Mutex::new(std::mem::take(&mut plan.listeners));
        Self { number, plan, listeners }
    }

    /// No further child is started: an address that nobody else has is free as soon as the last child has let it go.
    pub(super) fn release(&self) {
        self.listeners.lock().clear();
    }
}

/// One child.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) process: Process,
    pub(super) generation: Arc<Generation>,
    pub(super) stage: Stage,
    /// Whether it has ever served: one that has not need not be waited for.
    pub(super) served: bool,
    pub(super) started: Instant,
    /// It is killed then.
    pub(super) deadline: Option<Instant>,
    /// Workers that are ready, and those configured.
    pub(super) workers: (u32, u32),
    /// What it last said of itself, and when.
    pub(super) last: Option<(Instant, Snapshot)>,
    /// Whether it answers.
    pub(super) pulse: Pulse,
    /// Why it was started in place of another.
    pub(super) because: Option<RecycleReason>,
    /// Why another takes its place.
    pub(super) replaced_for: Option<RecycleReason>,
    /// Its own words about why it does not serve.
    pub(super) fault: Option<String>,
    /// Connections cut and threads left, by its last word.
    pub(super) ended: Option<(usize, u32)>,
    /// How its process ended.
    pub(super) status: Option<WaitStatus>,
    /// All that it said has been read.
    pub(super) silent: bool,
    /// It was killed by its parent, for this.
    pub(super) killed: Option<&'static str>,
    /// It is to be replaced in order: the reason, more about it, and not before when.
    pub(super) wish: Option<(String, String, Instant)>,
    board: File,
    orders: mpsc::Sender<Order>,
}

/// Memory for what a child's workers run. Nobody can make it smaller, which would end those who write to it.
fn board() -> io::Result<File> {
    let file = memfd_create("supercharger-board", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, BOARD_BYTES as u64)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
    Ok(file.into())
}

impl Child {
    /// Starts a child. What it says is posted as events under its number.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn start(
        id: ChildId,
        place: u32,
        generation: Arc<Generation>,
        post: &mpsc::Sender<Event>,
    ) -> io::Result<Self> {
        let plan = &generation.plan;
        let listeners = generation.listeners.lock();
        let board = board()?;
        let others: Vec<&OwnedFd> = plan.store.as_deref().into_iter().chain(plan.endpoints.as_deref()).collect();
        let (pid, channel) = plan.program.start(&listeners, &board, &others)?;
        let process = Process { pid, place, generation: generation.number };
        ChildStart { child: process }.emit();
        let hello = Hello {
            generation: generation.number,
            place,
            config: plan.config.clone(),
            variables: plan.variables.clone(),
            listeners: listeners.len(),
            child: if plan.store.is_some() { id } else { 0 },
        };
        drop(listeners);
        let orders = connect(id, channel, &hello, post)?;
        let now = Instant::now();
        Ok(Self {
            process,
            stage: Stage::Booting,
            served: false,
            started: now,
            deadline: Some(now + plan.boot_limit),
            workers: (0, 0),
            last: None,
            pulse: Pulse::default(),
            because: None,
            replaced_for: None,
            fault: None,
            ended: None,
            status: None,
            silent: false,
            killed: None,
            wish: None,
            generation,
            board,
            orders,
        })
    }

    /// Gives an order. A child that reads none is not waited for.
    pub(super) fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }

    /// Moves on; never back.
    pub(super) fn reach(&mut self, stage: Stage) {
        self.stage = self.stage.max(stage);
        self.served |= stage == Stage::Serving;
    }

    /// Whether there is nobody any more who would read a new request there.
    pub(super) fn reads_nothing(&self) -> bool {
        self.stage >= Stage::Quiet || !self.served
    }

    /// Whether it accepts no connection any more.
    pub(super) fn accepts_nothing(&self) -> bool {
        self.stage >= Stage::NotAccepting || !self.served
    }

    /// What it was running when it died.
    pub(super) fn in_flight(&self) -> Vec<InFlight> {
        let mut bytes = vec![0; BOARD_BYTES];
        let read = self.board.read_exact_at(&mut bytes, 0);
        read.map_or_else(|_| Vec::new(), |()| in_flight(&bytes, SystemTime::now()))
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self, why: &'static str) {
        self.killed.get_or_insert(why);
        self.deadline = None;
        // It has not been waited for, so the number is still its own.
        if self.status.is_none()
            && let Some(pid) = i32::try_from(self.process.pid).ok().and_then(Pid::from_raw)
        {
            kill_process(pid, Signal::KILL).ok();
        }
    }
}

/// Carries messages between a child and the supervisor.
fn connect(
    id: ChildId,
    channel: UnixStream,
    hello: &Hello,
    post: &mpsc::Sender<Event>,
) -> io::Result<mpsc::Sender<Order>> {
    let (reader, writer) = tokio::net::UnixStream::from_std(channel)?.into_split();
    let (orders, inbox) = mpsc::channel(ORDERS);
    tokio::spawn(write(writer, line(hello), inbox));
    tokio::spawn(read(id, reader, post.clone()));
    Ok(orders)
}

async fn write(mut writer: OwnedWriteHalf, hello: Vec<u8>, mut orders: mpsc::Receiver<Order>) {
    let mut next = hello;
    // A child that is gone is noticed by whoever reads.
    while writer.write_all(&next).await.is_ok() {
        match orders.recv().await {
            Some(order) => next = line(&order),
            None => return,
        }
    }
}

async fn read(id: ChildId, mut reader: OwnedReadHalf, post: mpsc::Sender<Event>) {
    let mut lines = Lines::default();
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = reader.read(&mut bytes).await {
        if lines.push(&bytes[..count]).is_err() {
            break;
        }
        while let Some(report) = lines.take::<Report>() {
            drop(post.send(Event::Said(id, report)).await);
        }
    }
    drop(post.send(Event::Silent(id)).await);
}
