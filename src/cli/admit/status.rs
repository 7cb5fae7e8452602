//! `btfgen admit status`: the limits that hold for this process, which of them binds, and who holds what.

use btfgen::admission::Root;
use btfgen::admission::cgroup::Version;
use btfgen::admission::jobserver::environment;
use btfgen::admission::ledger::{Entry, Ledger, Priority, WaitsFor};
use btfgen::admission::limits::{Bound, Cpus, Limit, Memory};
use btfgen::admission::pressure::{Pressure, Resource};
use btfgen::admission::size::show_bytes;
use serde_json::{Value, json};

use super::super::one_line;

/// Everything that is shown, read at one moment.
pub(super) struct Status {
    memory: Memory,
    cpus: Cpus,
    pressure: Vec<(Resource, Option<Pressure>)>,
    /// Who holds and waits; nothing if there is no ledger, or none that can be used.
    entries: Option<Vec<Entry>>,
}

impl Status {
    pub(super) fn read(root: &Root) -> Self {
        let pressure = Resource::ALL.map(|resource| (resource, Pressure::here(root, resource)));
        let entries = Ledger::find(environment).and_then(|ledger| ledger.entries().ok());
        Status { memory: Memory::read(root), cpus: Cpus::read(root), pressure: pressure.into(), entries }
    }

    /// As JSON, without a newline at the end. What is unknown is null, what has no limit is the string `unlimited`.
    pub(super) fn json(&self) -> Value {
        let Status { memory, cpus, pressure, entries } = self;
        let groups = memory.groups.iter().map(|group| {
            json!({
                "path": group.path,
                "max_bytes": limit_json(group.max),
                "high_bytes": limit_json(group.high),
                "current_bytes": group.current,
                "reclaimable_bytes": group.reclaimable,
            })
        });
        let pressure = pressure.iter().map(|(resource, pressure)| {
            let shares = pressure.map(|pressure| {
                json!({
                    "some_avg10_percent": pressure.some.avg10,
                    "full_avg10_percent": pressure.full.map(|full| full.avg10),
                })
            });
            (resource.name().to_owned(), shares.unwrap_or_default())
        });
        let entry = |entry: &Entry| {
            json!({
                "state": if entry.is_running { "running" } else { "waiting" },
                "waits_for": (!entry.is_running).then(|| waits_for(entry).0),
                "label": entry.label,
                "pid": entry.pid,
                "reserved_bytes": entry.reserved,
                "observed_bytes": entry.observed,
                "threads": entry.threads,
                "age_seconds": entry.age.as_secs_f64(),
                "overtaken": entry.overtaken,
                "priority": entry.priority.name(),
            })
        };
        json!({
            "schema_version": 1,
            "ledger": entries.as_ref().map(|entries| entries.iter().map(entry).collect::<Vec<_>>()),
            "memory": {
                "limit": bound_json(memory.limit()),
                "headroom": bound_json(memory.headroom()),
                "default_budget": bound_json(memory.default_budget()),
                "total_bytes": memory.machine.total,
                "available_bytes": memory.machine.available,
                "swap_total_bytes": memory.machine.swap_total,
                "swap_free_bytes": memory.machine.swap_free,
                "address_space_bytes": limit_json(memory.address_space),
                "data_bytes": limit_json(memory.data),
                "cgroup_version": memory.version.map(version),
                "groups": groups.collect::<Vec<_>>(),
                "groups_may_be_hidden": memory.is_partial,
            },
            "cpus": {
                "count": cpus.count().get(),
                "affinity": cpus.affinity,
                "quota": cpus.quota.as_ref().map(|(cpus, group)| json!({ "cpus": cpus, "source": group })),
                "threads_left": cpus.threads,
            },
            "pressure": pressure.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Status { memory, cpus, pressure, entries } = self;
        let mut text = String::new();
        let mut line = |name: &str, value: String| text.push_str(&format!("{name:<24}{value}\n"));
        line("memory limit", bound(memory.limit()));
        line("memory headroom", bound(memory.headroom()));
        line("budget by default", bound(memory.default_budget()));
        for group in &memory.groups {
            let used = group.current.map_or("?".to_owned(), show_bytes);
            let high =
                group.high.number().map_or(String::new(), |high| format!(", high {}", show_bytes(high)));
            let max = match group.max {
                Limit::Unknown => "no limit known".to_owned(),
                Limit::Unlimited => "no limit".to_owned(),
                Limit::Of(max) => format!("max {}", show_bytes(max)),
            };
            line("  control group", format!("{max}{high}, used {used}  {}", group.path));
        }
        if memory.is_partial {
            line("", "groups above these may be hidden and may have limits".to_owned());
        }
        let quota = cpus.quota.as_ref().map_or("none known".to_owned(), |(n, group)| format!("{n}  {group}"));
        line("CPUs", cpus.count().to_string());
        line("  affinity", cpus.affinity.map_or("?".to_owned(), |n| n.to_string()));
        line("  quota", quota);
        line("  threads left", cpus.threads.map_or("no limit known".to_owned(), |n| n.to_string()));
        for (resource, pressure) in pressure {
            let shares = pressure.map_or("unknown".to_owned(), |p| {
                let full = p.full.map_or(String::new(), |full| format!(", full {:.2} %", full.avg10));
                format!("some {:.2} %{full} of the last 10 s", p.some.avg10)
            });
            line(&format!("pressure on {}", resource.name()), shares);
        }
        match entries {
            None => line("ledger", "cannot be used".to_owned()),
            Some(entries) if entries.is_empty() => line("ledger", "nobody holds or waits".to_owned()),
            Some(entries) => {
                for entry in entries {
                    let state = if entry.is_running { "running" } else { "waiting" };
                    let why = if entry.is_running { "" } else { waits_for(entry).1 };
                    let (reserved, used) = (show_bytes(entry.reserved), show_bytes(entry.observed));
                    let seconds = entry.age.as_secs();
                    let priority = match entry.priority {
                        Priority::Normal => String::new(),
                        other => format!(", priority {}", other.name()),
                    };
                    let label = one_line(&entry.label);
                    let what = format!(
                        "{reserved} for {label}, process {}, uses {used}, since {seconds} s{priority}{why}",
                        entry.pid
                    );
                    line(state, what);
                }
            }
        }
        text
    }
}

/// What one that waits waits for: for programs, and for people.
fn waits_for(entry: &Entry) -> (&'static str, &'static str) {
    match entry.waits_for {
        WaitsFor::Memory => ("memory", ""),
        WaitsFor::Instances => ("instances", ", for fewer of its name"),
        WaitsFor::Condition => ("condition", ", for a condition"),
        WaitsFor::Policy => ("policy", ", for the policy of a driver"),
    }
}

fn version(version: Version) -> u32 {
    match version {
        Version::V1 => 1,
        Version::V2 => 2,
    }
}

fn limit_json(limit: Limit) -> Value {
    match limit {
        Limit::Unknown => Value::Null,
        Limit::Unlimited => "unlimited".into(),
        Limit::Of(n) => n.into(),
    }
}

fn bound_json(bound: Option<Bound>) -> Value {
    bound.map(|bound| json!({ "bytes": bound.bytes, "source": bound.source })).unwrap_or_default()
}

fn bound(bound: Option<Bound>) -> String {
    bound.map_or("unknown".to_owned(), |bound| format!("{}  {}", show_bytes(bound.bytes), bound.source))
}
