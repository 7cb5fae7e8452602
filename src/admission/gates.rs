//! Conditions of the machine under which a run may begin: `load1<1.5*cpus`, `avail>10%`, `temp:cpu<90C`.
//!
//! In: the text of a condition, and what the system says when it is asked. Out: open or closed. What the system
//! does not know, such as the free part of no swap, keeps nobody waiting. A gate that closed opens again when its
//! value is a tenth better than it must be, so that it does not flap.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::limits::{Cpus, Memory};
use super::pressure::{Pressure, Resource};
use super::size::parse_bytes;
use super::{Root, field};
use crate::{Error, Result};

/// Conditions that must all hold.
#[derive(Debug)]
pub struct Gates {
    root: Root,
    gates: Vec<Gate>,
}

/// One condition: alternatives, of which one must hold.
#[derive(Debug)]
struct Gate {
    text: String,
    alternatives: Vec<Condition>,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Condition {
    source: Source,
    /// The value must be below the threshold; else above.
    below: bool,
    threshold: f64,
}

#[derive(Debug, PartialEq)]
enum Source {
    Load(usize),
    /// Memory that can be had: bytes, or percent of the limit.
    Available {
        percent: bool,
    },
    SwapFree {
        percent: bool,
    },
    Processes,
    /// The hottest zone whose type has this in it, in degrees Celsius.
    Temperature(String),
    /// The share of the last ten seconds in percent.
    Pressure(Resource, bool),
    /// 1 on mains, 0 on battery.
    Mains,
    /// Percent.
    Battery,
}

impl Gates {
    /// Reads conditions.
    ///
    /// # Errors
    /// One makes no sense.
    pub fn parse<'t>(root: Root, texts: impl IntoIterator<Item = &'t str>) -> Result<Gates> {
        let cpus = Cpus::read(&root).count().get() as f64;
        let gate = |text: &str| {
            let alternatives = text.split('|').map(|part| condition(part.trim(), cpus));
            let alternatives = alternatives.collect::<Option<Vec<_>>>().ok_or_else(|| {
                let hint = "as in load1<1.5*cpus, avail>10%, swapfree>1G, procs<4000, temp:cpu<90C, \
                            psi.io.some<20%, power=ac|battery>40%";
                Error::usage(format!("'{text}' is no condition")).hint(hint)
            })?;
            Ok(Gate { text: text.to_owned(), alternatives, closed: AtomicBool::new(false) })
        };
        Ok(Gates { gates: texts.into_iter().map(gate).collect::<Result<_>>()?, root })
    }

    /// The conditions as they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.gates.iter().map(|gate| gate.text.as_str())
    }

    /// No condition.
    pub fn none() -> Gates {
        Gates { root: Root::system(), gates: Vec::new() }
    }

    /// True if there is no condition.
    pub fn is_empty(&self) -> bool {
        self.gates.is_empty()
    }

    /// The first condition that does not hold now.
    pub fn closed(&self) -> Option<&str> {
        let closed = self.gates.iter().find(|gate| {
            let was_closed = gate.closed.load(Ordering::Relaxed);
            let open = gate.alternatives.iter().any(|condition| condition.holds(&self.root, was_closed));
            gate.closed.store(!open, Ordering::Relaxed);
            !open
        });
        closed.map(|gate| gate.text.as_str())
    }
}

/// Reads `NAME<VALUE` or `NAME>VALUE`, and `power=ac` or `power=battery`.
fn condition(text: &str, cpus: f64) -> Option<Condition> {
    match text {
        "power=ac" => return Some(Condition { source: Source::Mains, below: false, threshold: 0.5 }),
        "power=battery" => return Some(Condition { source: Source::Mains, below: true, threshold: 0.5 }),
        _ => {}
    }
    let at = text.find(['<', '>'])?;
    let (name, value) = (text.get(..at)?.trim(), text.get(at + 1..)?.trim());
    let below = text.get(at..=at) == Some("<");
    let percent = value.strip_suffix('%');
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    let bytes_or_percent = |make: fn(bool) -> Source| match percent {
        Some(percent) => Some((make(true), number(percent)?)),
        None => Some((make(false), parse_bytes(value).ok()? as f64)),
    };
    let (source, threshold) = match name {
        "load1" | "load5" | "load15" => {
            let place = ["load1", "load5", "load15"].iter().position(|known| *known == name)?;
            let per_cpu = value.strip_suffix("*cpus").and_then(number).map(|n| n * cpus);
            (Source::Load(place), per_cpu.or_else(|| number(value))?)
        }
        "avail" => bytes_or_percent(|percent| Source::Available { percent })?,
        "swapfree" => bytes_or_percent(|percent| Source::SwapFree { percent })?,
        "procs" => (Source::Processes, number(value)?),
        "battery" => (Source::Battery, number(percent?)?),
        _ if name == "temp" || name.starts_with("temp:") => {
            let zone = name.strip_prefix("temp:").unwrap_or_default().to_lowercase();
            (Source::Temperature(zone), number(value.strip_suffix(['C', 'c']).unwrap_or(value))?)
        }
        _ => {
            let (resource, line) = name.strip_prefix("psi.")?.split_once('.')?;
            let resource = Resource::ALL.into_iter().find(|known| known.name() == resource)?;
            let is_full = match line {
                "some" => false,
                "full" => true,
                _ => return None,
            };
            (Source::Pressure(resource, is_full), number(percent.unwrap_or(value))?)
        }
    };
    Some(Condition { source, below, threshold })
}

impl Condition {
    fn holds(&self, root: &Root, was_closed: bool) -> bool {
        // Unknown, or the quotient of two zeros: nobody can wait for that to change.
        let Some(value) = self.source.value(root).filter(|value| value.is_finite()) else { return true };
        let margin = if was_closed && self.source != Source::Mains { 0.1 } else { 0.0 };
        if self.below {
            value < self.threshold * (1.0 - margin)
        } else {
            value > self.threshold * (1.0 + margin)
        }
    }
}

impl Source {
    fn value(&self, root: &Root) -> Option<f64> {
        let share = |part: u64, all: u64| part as f64 * 100.0 / all as f64;
        match self {
            Source::Load(place) => root.read("/proc/loadavg")?.split_whitespace().nth(*place)?.parse().ok(),
            Source::Available { percent } => {
                let memory = Memory::read(root);
                let available = memory.headroom()?.bytes;
                Some(if *percent { share(available, memory.limit()?.bytes) } else { available as f64 })
            }
            Source::SwapFree { percent } => {
                let text = root.read("/proc/meminfo")?;
                let (free, all) = (field(&text, "SwapFree")?, field(&text, "SwapTotal")?);
                // Without any swap there is no free part of it, and nothing to wait for.
                (all > 0).then(|| if *percent { share(free, all) } else { free as f64 * 1024.0 })
            }
            Source::Processes => {
                root.read("/proc/loadavg")?.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
            }
            Source::Temperature(zone) => {
                let zones = devices(root, "/sys/class/thermal").filter_map(|path| {
                    let kind = root.read(path.join("type"))?.to_lowercase();
                    let degrees = root.read(path.join("temp"))?.trim().parse::<f64>().ok()? / 1000.0;
                    kind.contains(zone.as_str()).then_some(degrees)
                });
                zones.max_by(f64::total_cmp)
            }
            Source::Pressure(resource, is_full) => {
                let pressure = Pressure::system(root, *resource)?;
                if *is_full { pressure.full.map(|full| full.avg10) } else { Some(pressure.some.avg10) }
            }
            Source::Mains => {
                let online = supplies(root, "Mains", "online");
                online.max_by(f64::total_cmp)
            }
            Source::Battery => supplies(root, "Battery", "capacity").max_by(f64::total_cmp),
        }
    }
}

fn devices(root: &Root, class: &str) -> impl Iterator<Item = std::path::PathBuf> {
    let class = Path::new(class).to_owned();
    let entries = fs::read_dir(root.path(&class)).into_iter().flatten().flatten();
    entries.map(move |entry| class.join(entry.file_name()))
}

/// What the supplies of a kind say: they are known by their kind, as their names differ.
fn supplies<'r>(root: &'r Root, kind: &'r str, file: &'r str) -> impl Iterator<Item = f64> + 'r {
    devices(root, "/sys/class/power_supply").filter_map(move |path| {
        let is_kind = root.read(path.join("type"))?.trim() == kind;
        let value = root.read(path.join(file))?.trim().parse().ok()?;
        is_kind.then_some(value)
    })
}
