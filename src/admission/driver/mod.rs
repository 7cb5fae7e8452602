//! A process that decides for others which of them may run when: by a policy of the user, and within the same ledger.
//!
//! Clients ask over a socket; the driver asks the policy, takes a reservation in the ledger and hands it to the client.
//! From then on the ledger knows of it as of any other: the descriptor that keeps it alive is the client's as well, so
//! the driver's end takes nothing from anybody, and clients that find no driver ask the ledger themselves. These rules
//! hold:
//!
//! * What a policy says decides who is asked for in the ledger, when, and in which size. It cannot exceed the budget,
//!   and the rules of [`ledger`](super::ledger) stay: one may run, every wait ends.
//! * A policy that is late, ends or makes no sense is heard no more, and the ledger's rules alone decide.
//! * A connection is a reservation. The driver lets go of its part of it when the connection ends.
//! * Lines, connections and waits for an answer have bounds. Whoever is not of the same user, or root, or does not know
//!   the cookie of the session, gets nothing.
//!
//! # The protocol
//!
//! Lines of JSON of at most 64 KiB over a stream socket. Unknown fields are left alone. Sizes are in bytes. The client
//! begins, within five seconds:
//!
//! ```text
//! {"type":"request", "version":1, "cookie":TEXT,
//!  "offers":[{"bytes":N,"threads":N},...]   sizes in which it could run, the preferred one first
//!  "label":TEXT, "budget":N, "max_wait_ms":N,
//!  "insist":BOOL                            after that time fail; else run in the smallest size
//!  "safety":N                               memory to leave to strangers; without it only the ledger counts
//!  "priority":"high" | "normal" | "batch", "max_instances":N, "when":[TEXT,...], "parent":TEXT}
//!                                           as of the ledger; may be left out
//! ```
//!
//! The driver says `{"type":"wait"}` every second until it says one of
//!
//! ```text
//! {"type":"go", "bytes":N, "threads":N, "forced":BOOL, "ledger":DIRECTORY, "reservation":TEXT}
//! {"type":"no", "reason":"busy" | "full" | "cookie" | "request" | "ledger", "message":TEXT}
//! ```
//!
//! With `go` comes a descriptor (`SCM_RIGHTS`): the reservation lasts as long as it or the connection is open, in
//! whichever process. A client that does not take it has the connection alone. After that the client may say
//!
//! ```text
//! {"type":"progress", "observed":N}         what it uses now; the driver writes it into the ledger
//! ```
//!
//! and ends by closing the connection. The driver says nothing more.
//!
//! # The policy
//!
//! A program that reads calls from its standard input and answers each of them with one line on its standard output, in
//! time. Both are lines of JSON; an answer repeats the `id` of its call.
//!
//! ```text
//! {"id":N, "call":"load", "version":1}                             at the start; ten times the time
//! {"id":N, "call":"process_initialized", "process":P}              answer: "offers":[...] instead of its own, or none
//! {"id":N, "call":"let_process_go", "current":P, "active":[P,...], "waiting":[P,...],
//!          "held_bytes":N, "headroom_bytes":N}                     answer: "go":true or false; with "bytes" and
//!                                                                  "threads" in that size
//! {"id":N, "call":"process_progress", "process":P}                 at most four a second for each
//! {"id":N, "call":"process_finished", "process":P}
//! {"id":N, "call":"save"}                                          at the end
//!
//! P = {"id":N, "label":TEXT, "pid":N, "offers":[...], "seconds":X, and of those that run
//!      "bytes":N, "threads":N, "observed":N, "peak":N}
//! ```
//!
//! `pid` is 0 where it cannot be seen. Of those that wait for the policy the 16 oldest are asked about, whenever one
//! begins or ends and every second. It is not asked about the oldest one while nobody at all holds a reservation, nor
//! about what runs within a reservation.

mod client;
mod lines;
mod policy;
mod server;

use std::os::fd::BorrowedFd;
use std::time::Duration;

use serde_json::{Value, json};

use super::Root;
use super::gates::Gates;
use super::ledger::{Live, Offer, Priority, Request};
use super::limits::headroom;
use super::sys;

pub use client::{Connection, acquire};
pub use policy::Policy;
pub use server::Server;

/// The protocol.
const VERSION: u64 = 1;
/// Sizes that a request may offer.
const MAX_OFFERS: usize = 64;
/// Conditions of a request.
const MAX_GATES: usize = 16;
/// Bytes of a name; the ledger keeps less.
const MAX_LABEL: usize = 64;
/// The longest wait that anybody may ask for.
const MAX_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often those who wait hear that they do.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long either side waits for a word of the other that is due now.
const PATIENCE: Duration = Duration::from_secs(5);

/// True if the other end belongs to the same user, or to root; and its process, 0 if that is unknown.
fn trusted(socket: BorrowedFd<'_>) -> Option<u32> {
    let (pid, user) = sys::peer_of(socket).ok()?;
    (user == 0 || user == rustix::process::geteuid().as_raw()).then_some(pid)
}

/// Compares without telling by the time it takes how much of it was right.
fn same_cookie(ours: &str, theirs: &str) -> bool {
    let differences = ours.bytes().zip(theirs.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    ours.len() == theirs.len() && differences == 0
}

fn offers_json(offers: &[Offer]) -> Value {
    offers.iter().map(|offer| json!({ "bytes": offer.bytes, "threads": offer.threads })).collect()
}

fn parse_offer(value: &Value) -> Option<Offer> {
    let threads = u32::try_from(value["threads"].as_u64()?).ok().filter(|&threads| threads > 0)?;
    Some(Offer { bytes: value["bytes"].as_u64()?, threads })
}

/// At least one, and not too many.
fn parse_offers(value: &Value) -> Option<Vec<Offer>> {
    let offers = value.as_array().filter(|offers| (1..=MAX_OFFERS).contains(&offers.len()))?;
    offers.iter().map(parse_offer).collect()
}

/// A request as the client writes it.
fn request_json(request: &Request, cookie: &str) -> Value {
    let mut label = request.label.clone();
    while label.len() > MAX_LABEL {
        label.pop();
    }
    json!({
        "type": "request",
        "version": VERSION,
        "cookie": cookie,
        "offers": offers_json(&request.offers),
        "label": label,
        "budget": request.budget,
        "max_wait_ms": u64::try_from(request.max_wait.min(MAX_WAIT).as_millis()).unwrap_or(u64::MAX),
        "insist": request.insist,
        "safety": request.live.map(|live| live.safety),
        "priority": request.priority.name(),
        "max_instances": request.max_instances,
        "when": request.gates.texts().collect::<Vec<_>>(),
        "parent": request.parent,
    })
}

/// Reads a request; the error names the field that makes no sense.
fn parse_request(value: &Value) -> Result<Request, &'static str> {
    // Unlike what is wrong, what is left out has a meaning.
    let optional = |name: &str| Some(&value[name]).filter(|value| !value.is_null());
    if value["type"] != "request" || value["version"] != VERSION {
        return Err("version");
    }
    let when = match optional("when") {
        None => Vec::new(),
        Some(when) => {
            let when = when.as_array().filter(|when| when.len() <= MAX_GATES).ok_or("when")?;
            when.iter().map(Value::as_str).collect::<Option<Vec<_>>>().ok_or("when")?
        }
    };
    let max_wait = value["max_wait_ms"].as_u64().map(Duration::from_millis).ok_or("max_wait_ms")?;
    let max_instances = match optional("max_instances") {
        None => None,
        Some(most) => Some(
            most.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0).ok_or("max_instances")?,
        ),
    };
    let named = |name: &Value| name.as_str().and_then(Priority::named).ok_or("priority");
    let priority = optional("priority").map(named).transpose()?;
    let safety = optional("safety").map(|safety| safety.as_u64().ok_or("safety")).transpose()?;
    let parent = optional("parent").map(|parent| parent.as_str().ok_or("parent")).transpose()?;
    Ok(Request {
        offers: parse_offers(&value["offers"]).ok_or("offers")?,
        budget: value["budget"].as_u64().ok_or("budget")?,
        live: safety.map(|safety| Live { headroom, safety }),
        max_wait: max_wait.min(MAX_WAIT),
        insist: value["insist"].as_bool().ok_or("insist")?,
        label: value["label"].as_str().filter(|label| label.len() <= MAX_LABEL).ok_or("label")?.to_owned(),
        priority: priority.unwrap_or_default(),
        max_instances,
        gates: Gates::parse(Root::system(), when).map_err(|_| "when")?,
        parent: parent.map(str::to_owned),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            offers: vec![Offer { bytes: u64::MAX, threads: 8 }, Offer { bytes: 7, threads: 1 }],
            budget: u64::MAX - 1,
            live: Some(Live { headroom, safety: 5 }),
            max_wait: Duration::from_millis(1234),
            insist: true,
            label: "ld \"x\"\n".to_owned(),
            priority: Priority::Batch,
            max_instances: Some(3),
            gates: Gates::parse(Root::system(), ["load1<4", "power=ac|battery>40%"]).unwrap(),
            parent: Some("3.77".to_owned()),
        }
    }

    #[test]
    fn requests_arrive_as_they_were_sent() {
        let sent = request_json(&request(), "c");
        let text = sent.to_string();
        assert!(!text.contains('\n'), "a line has no end in it");
        let there = parse_request(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(request_json(&there, "c"), sent);
        assert_eq!((there.offers, there.max_wait), (request().offers, request().max_wait));
        let plain =
            Request { live: None, max_instances: None, gates: Gates::none(), parent: None, ..request() };
        let sent = request_json(&plain, "");
        assert_eq!(request_json(&parse_request(&sent).unwrap(), ""), sent);
    }

    #[test]
    fn requests_that_make_no_sense_are_refused() {
        let wrong = |name: &str, value: Value| {
            let mut sent = request_json(&request(), "c");
            sent[name] = value;
            parse_request(&sent).err()
        };
        for (name, value) in [
            ("offers", json!([])),
            ("offers", json!([{ "bytes": -1, "threads": 1 }])),
            ("offers", json!([{ "bytes": 1, "threads": 0 }])),
            ("offers", json!(vec![json!({ "bytes": 1, "threads": 1 }); MAX_OFFERS + 1])),
            ("budget", json!("1G")),
            ("max_wait_ms", json!(1.5)),
            ("insist", json!(1)),
            ("label", json!("x".repeat(MAX_LABEL + 1))),
            ("priority", json!("highest")),
            ("max_instances", json!(0)),
            ("when", json!(["load9<1"])),
            ("when", json!(vec!["load1<1"; MAX_GATES + 1])),
            ("safety", json!(-3)),
            ("parent", json!(3)),
            ("version", json!(2)),
        ] {
            assert_eq!(wrong(name, value.clone()), Some(name), "{value}");
        }
        assert_eq!(wrong("more", json!("than is known")), None);
        // A wait whose end no clock can show.
        let mut sent = request_json(&request(), "c");
        sent["max_wait_ms"] = json!(u64::MAX);
        assert_eq!(parse_request(&sent).unwrap().max_wait, MAX_WAIT);
        assert!(parse_request(&json!([1])).is_err() && parse_request(&Value::Null).is_err());
    }

    #[test]
    fn cookies() {
        assert!(same_cookie("abc", "abc"));
        for other in ["", "ab", "abcd", "abd"] {
            assert!(!same_cookie("abc", other));
        }
    }
}
