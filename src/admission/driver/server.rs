//! The driver itself: takes up connections, asks the policy, takes reservations and hands them out.
//!
//! In: a socket. Out: reservations in the ledger. A thread for each connection, of which there are only so many; while
//! one waits it looks once a second whether its client is still there. The state of the driver is what its
//! connections say: nothing has to be put right after its end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use super::super::ledger::{Ledger, Offer, Request, Reservation};
use super::super::limits::headroom;
use super::lines::Lines;
use super::policy::{Answer, Policy, Verdict};
use super::{HEARTBEAT, PATIENCE, client, offers_json, parse_request, same_cookie, trusted};
use crate::{Error, ErrorKind, Result};

/// How often the driver looks whether it shall end.
const LOOK: Duration = Duration::from_millis(200);
/// Of those that wait for the policy, so many may be asked about.
const ASKED: usize = 16;
/// How often the policy hears of the progress of one.
const PROGRESS: Duration = Duration::from_millis(250);

/// A driver that listens.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    ledger: Ledger,
    cookie: String,
    most: usize,
    connections: AtomicUsize,
    /// Nothing without one, or after it failed.
    policy: Mutex<Option<Policy>>,
    state: Mutex<State>,
    changed: Condvar,
    warn: fn(&str),
}

/// What the clients are doing.
#[derive(Debug, Default)]
struct State {
    /// By the number of their connection, which is their order of arrival.
    processes: BTreeMap<u64, Process>,
    /// Counts whatever may change the mind of a policy.
    changes: u64,
}

#[derive(Debug)]
struct Process {
    label: String,
    pid: u32,
    offers: Vec<Offer>,
    since: Instant,
    stage: Stage,
    observed: u64,
    peak: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The policy has not let it go yet.
    Asking,
    /// It waits in the ledger.
    Queued,
    Running(Offer),
}

impl Process {
    fn json(&self, id: u64) -> Value {
        let mut json = json!({
            "id": id,
            "label": self.label,
            "pid": self.pid,
            "offers": offers_json(&self.offers),
            "seconds": self.since.elapsed().as_secs_f64(),
        });
        if let Stage::Running(offer) = self.stage {
            json["bytes"] = offer.bytes.into();
            json["threads"] = offer.threads.into();
            json["observed"] = self.observed.into();
            json["peak"] = self.peak.into();
        }
        json
    }
}

/// Nothing that is done under these locks can panic half-way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Listens at a path for clients that know the cookie, of which no more than `most` are heard at the same time.
    /// `warn` hears what users should know.
    ///
    /// # Errors
    /// Another driver listens there; or the ledger or the socket cannot be used.
    pub fn bind(
        path: &Path,
        ledger: Ledger,
        cookie: String,
        policy: Option<Policy>,
        most: usize,
        warn: fn(&str),
    ) -> Result<Server> {
        // Whoever cannot use the ledger has nothing to hand out.
        ledger.entries()?;
        let about = |e| Error::io("cannot listen", e).in_file(path);
        let listener = match UnixListener::bind(path) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
                let is_dead = client::open(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
                if !is_socket || !is_dead {
                    return Err(about(e).hint("another driver may be there; see --socket"));
                }
                fs::remove_file(path).and_then(|()| UnixListener::bind(path)).map_err(about)?
            }
            other => other.map_err(about)?,
        };
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(about)?;
        listener.set_nonblocking(true).map_err(about)?;
        Ok(Server {
            listener,
            ledger,
            cookie,
            most,
            connections: AtomicUsize::new(0),
            policy: Mutex::new(policy),
            state: Mutex::default(),
            changed: Condvar::new(),
            warn,
        })
    }

    /// Serves until `stop` becomes true, or nobody was there for `idle`.
    pub fn run(self: &Arc<Self>, stop: &AtomicBool, idle: Option<Duration>) {
        let mut quiet_since = Instant::now();
        let mut number = 0;
        while !stop.load(Ordering::Acquire) {
            let pause = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
            // Whatever comes of this, the next call says.
            let _ = poll(&mut [PollFd::new(&self.listener, PollFlags::IN)], Some(&pause));
            match self.listener.accept() {
                Ok((stream, _)) => {
                    number += 1;
                    self.take_up(stream, number);
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                // Out of descriptors, until somebody ends.
                Err(_) => std::thread::sleep(LOOK),
            }
            if self.connections.load(Ordering::Acquire) > 0 {
                quiet_since = Instant::now();
            } else if idle.is_some_and(|idle| quiet_since.elapsed() >= idle) {
                return;
            }
        }
    }

    /// Lets the policy write down what it learned. It is not asked any more.
    pub fn finish(&self) {
        self.ask(Policy::save);
        *locked(&self.policy) = None;
    }

    fn take_up(self: &Arc<Self>, stream: UnixStream, number: u64) {
        let Some(pid) = trusted(stream.as_fd()) else { return };
        if self.connections.fetch_add(1, Ordering::AcqRel) >= self.most {
            refuse(&mut Lines::new(stream), "full", "too many are connected");
            self.connections.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        let server = Arc::clone(self);
        let thread = std::thread::Builder::new().name("btfgen-client".to_owned()).stack_size(512 << 10);
        let started = thread.spawn(move || {
            server.serve(Lines::new(stream), number, pid);
            server.connections.fetch_sub(1, Ordering::AcqRel);
        });
        if started.is_err() {
            // The connection was closed with what was not started: its client asks the ledger.
            self.connections.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// One client, from its request to its end.
    fn serve(&self, mut lines: Lines, id: u64, pid: u32) {
        let Ok(Some(line)) = lines.read(Some(Instant::now() + PATIENCE)) else { return };
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        if !same_cookie(&self.cookie, said["cookie"].as_str().unwrap_or_default()) {
            return refuse(&mut lines, "cookie", "BTFGEN_ADMIT_COOKIE is not that of this driver");
        }
        let mut request = match parse_request(&said) {
            Ok(request) => request,
            Err(field) => return refuse(&mut lines, "request", &format!("'{field}' makes no sense")),
        };
        let deadline = Instant::now() + request.max_wait;
        let process = Process {
            label: request.label.clone(),
            pid,
            offers: request.offers.clone(),
            since: Instant::now(),
            stage: Stage::Asking,
            observed: 0,
            peak: 0,
        };
        let about = process.json(id);
        locked(&self.state).processes.insert(id, process);
        if let Some(Some(offers)) = self.ask(|policy| policy.process_initialized(&about)) {
            request.offers.clone_from(&offers);
            self.change(id, |process| process.offers = offers);
        }
        let reservation = self.reserve(&mut lines, id, &mut request, deadline);
        if let Some(reservation) = reservation {
            self.attend(&mut lines, id, reservation);
        }
        let ended = locked(&self.state).processes.get(&id).map(|process| process.json(id));
        {
            let mut state = locked(&self.state);
            state.processes.remove(&id);
            state.changes += 1;
        }
        self.changed.notify_all();
        self.ask(|policy| policy.tell("process_finished", &ended.unwrap_or_default()));
    }

    /// Waits for the policy, then in the ledger; says what came of it.
    fn reserve(
        &self,
        lines: &mut Lines,
        id: u64,
        request: &mut Request,
        deadline: Instant,
    ) -> Option<Reservation> {
        let heard = Cell::new(Instant::now());
        let shared = RefCell::new(&mut *lines);
        let is_gone = || {
            let mut lines = shared.borrow_mut();
            if heard.get().elapsed() < HEARTBEAT {
                return lines.is_closed();
            }
            heard.set(Instant::now());
            lines.is_closed() || lines.write(r#"{"type":"wait"}"#, None, Instant::now()).is_err()
        };
        // What is within a reservation never waits for anybody outside of it, and a policy may want it to.
        let is_inside = request.parent.is_some();
        let was_let_go = is_inside || self.await_policy(id, request, deadline, &is_gone);
        if is_gone() {
            return None;
        }
        if !was_let_go && request.insist {
            refuse(lines, "busy", "the policy does not let it go");
            return None;
        }
        self.change(id, |process| process.stage = Stage::Queued);
        request.max_wait = deadline.saturating_duration_since(Instant::now());
        let reservation = match self.ledger.acquire_unless(request, &is_gone) {
            Ok(reservation) => reservation,
            Err(error) => {
                let reason = if error.kind() == ErrorKind::Busy { "busy" } else { "ledger" };
                refuse(lines, reason, &error.to_string());
                return None;
            }
        };
        let offer = reservation.offer();
        self.change(id, |process| process.stage = Stage::Running(offer));
        let go = json!({
            "type": "go",
            "bytes": offer.bytes,
            "threads": offer.threads,
            "forced": reservation.was_forced(),
            "ledger": self.ledger.directory().to_string_lossy(),
            "reservation": reservation.cookie(),
        });
        let said = lines.write(&go.to_string(), Some(reservation.life()), Instant::now() + PATIENCE);
        if said.is_err() {
            reservation.leave();
            return None;
        }
        Some(reservation)
    }

    /// Waits until the policy lets it go; false if the time was over first.
    fn await_policy(
        &self,
        id: u64,
        request: &mut Request,
        deadline: Instant,
        is_gone: &dyn Fn() -> bool,
    ) -> bool {
        let mut announced = None;
        loop {
            let seen = locked(&self.state).changes;
            match self.consult(id) {
                Verdict::Go => return true,
                Verdict::GoWith(offer) => {
                    // More workers than the client offered it has no use for.
                    let most = request.offers.iter().map(|offer| offer.threads).max().unwrap_or(1);
                    request.offers = vec![Offer { threads: offer.threads.min(most), ..offer }];
                    return true;
                }
                // For people alone: what is not written down is only not shown.
                Verdict::Wait => announced = announced.or_else(|| self.ledger.announce(request).ok()),
            }
            let again = Instant::now() + HEARTBEAT;
            loop {
                if is_gone() || Instant::now() >= deadline {
                    return false;
                }
                let state = locked(&self.state);
                if state.changes != seen || Instant::now() >= again {
                    break;
                }
                let left = deadline.saturating_duration_since(Instant::now());
                drop(self.changed.wait_timeout(state, left.min(HEARTBEAT)));
            }
        }
    }

    /// What the policy says about one that waits, if it is to be asked.
    fn consult(&self, id: u64) -> Verdict {
        if locked(&self.policy).is_none() {
            return Verdict::Go;
        }
        let (mut facts, position) = {
            let state = locked(&self.state);
            let of = |wanted: fn(Stage) -> bool| {
                let some = state.processes.iter().filter(move |(_, process)| wanted(process.stage));
                some.map(|(id, process)| (*id, process.json(*id)))
            };
            let waiting: Vec<(u64, Value)> = of(|stage| stage == Stage::Asking).collect();
            let position = waiting.iter().position(|(other, _)| *other == id);
            let current = waiting.get(position.unwrap_or(0)).map(|(_, json)| json.clone());
            let facts = json!({
                "current": current,
                "active": of(|stage| stage != Stage::Asking).map(|(_, json)| json).collect::<Vec<_>>(),
                "waiting": waiting.into_iter().map(|(_, json)| json).collect::<Vec<_>>(),
            });
            (facts, position.unwrap_or(0))
        };
        if position >= ASKED {
            return Verdict::Wait;
        }
        // If nobody can tell, the ledger will.
        let held = self.ledger.entries().unwrap_or_default();
        let held = held.iter().filter(|entry| entry.is_running).map(|entry| entry.reserved);
        if position == 0 && held.clone().next().is_none() {
            return Verdict::Go;
        }
        facts["held_bytes"] = held.fold(0, u64::saturating_add).into();
        facts["headroom_bytes"] = headroom().into();
        self.ask(|policy| policy.let_process_go(facts)).unwrap_or(Verdict::Go)
    }

    /// Listens to a client that runs until its connection ends.
    fn attend(&self, lines: &mut Lines, id: u64, mut reservation: Reservation) {
        let mut told: Option<Instant> = None;
        while let Ok(Some(line)) = lines.read(None) {
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            let (true, Some(observed)) = (said["type"] == "progress", said["observed"].as_u64()) else {
                continue;
            };
            // What does not work only leaves the promise as it is.
            let _ = reservation.observe(observed);
            let mut about = Value::Null;
            if let Some(process) = locked(&self.state).processes.get_mut(&id) {
                process.observed = observed;
                process.peak = process.peak.max(observed);
                about = process.json(id);
            }
            if told.is_none_or(|told| told.elapsed() >= PROGRESS) {
                told = Some(Instant::now());
                self.ask(|policy| policy.tell("process_progress", &about));
            }
        }
        // A command that the client started may still hold it.
        reservation.leave();
    }

    /// Changes what is known of a client, and lets the others think again.
    fn change(&self, id: u64, change: impl FnOnce(&mut Process)) {
        let mut state = locked(&self.state);
        if let Some(process) = state.processes.get_mut(&id) {
            change(process);
        }
        state.changes += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Asks the policy, if there still is one. One that fails is not asked again.
    fn ask<T>(&self, call: impl FnOnce(&mut Policy) -> Answer<T>) -> Option<T> {
        let mut policy = locked(&self.policy);
        match call(policy.as_mut()?) {
            Ok(answer) => Some(answer),
            Err(why) => {
                *policy = None;
                (self.warn)(&format!("the policy is not asked any more: {why}"));
                None
            }
        }
    }
}

/// Says no. Whoever does not hear it sees the end of the connection.
fn refuse(lines: &mut Lines, reason: &str, message: &str) {
    let no = json!({ "type": "no", "reason": reason, "message": message }).to_string();
    let _ = lines.write(&no, None, Instant::now());
}
