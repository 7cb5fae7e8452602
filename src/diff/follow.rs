//! What merely follows: a struct that is larger because a member is, with all members after that one moved.
//!
//! In: the changes of each definition. Out: those of the causes, each with the number of definitions that
//! changed for no other reason.

use std::collections::{HashMap, HashSet};

use super::model::{Body, Catalogue, Class, Composite, Definition, Key, Modifier, Shape};
use super::{Category, Change, Found};

/// Takes out what follows from something else.
pub(super) fn causes(found: Vec<Found>, before: &Catalogue, after: &Catalogue) -> Vec<Change> {
    let resized: HashSet<Key> = found.iter().filter(|f| f.resized).map(|f| f.key).collect();
    let mut because: HashMap<Key, Vec<Key>> = HashMap::new();
    for f in &found {
        let Some(moved) = &f.moved else { continue };
        let Some((a, b)) = f.pair else { continue };
        let definition = |catalogue: &Catalogue, at: usize| -> Option<Definition> {
            Some(catalogue.definitions.get(&f.key)?.get(at)?.0.clone())
        };
        let (Some(a), Some(b)) = (definition(before, a), definition(after, b)) else { continue };
        let (Body::Composite(a), Body::Composite(_)) = (&a.body, &b.body) else { continue };
        let mut reasons = Vec::new();
        let mut first = None;
        for (i, m) in a.members.iter().enumerate() {
            let before = reasons.len();
            contained(&m.shape, &resized, &mut reasons);
            if reasons.len() > before && first.is_none() {
                first = Some(i);
            }
        }
        // Alignment may move the member itself, too.
        if let Some(first) = first
            && moved.iter().all(|&i| i >= first)
        {
            because.insert(f.key, reasons);
        }
    }
    let mut follow: HashMap<Key, usize> = HashMap::new();
    for &key in because.keys() {
        let mut roots = HashSet::new();
        let mut seen = HashSet::from([key]);
        let mut stack = vec![key];
        while let Some(at) = stack.pop() {
            match because.get(&at) {
                Some(reasons) => stack.extend(reasons.iter().copied().filter(|&r| seen.insert(r))),
                None => {
                    roots.insert(at);
                }
            }
        }
        // Nothing contains itself; if it does, nothing is hidden.
        for root in roots {
            *follow.entry(root).or_default() += 1;
        }
    }
    let mut changes = Vec::new();
    for f in found {
        let hidden = because.contains_key(&f.key) && reaches_a_cause(f.key, &because);
        if hidden {
            continue;
        }
        let count = follow.get(&f.key).copied().unwrap_or(0);
        let mut own = f.changes;
        let carrier = own.iter().position(|c| {
            matches!(c.category, Category::Size | Category::TypedefRetyped | Category::Encoding)
        });
        if let Some(change) = own.get_mut(carrier.unwrap_or(0)) {
            change.follow = count;
        }
        changes.extend(own);
    }
    changes
}

fn reaches_a_cause(key: Key, because: &HashMap<Key, Vec<Key>>) -> bool {
    let mut seen = HashSet::from([key]);
    let mut stack = vec![key];
    while let Some(at) = stack.pop() {
        match because.get(&at) {
            Some(reasons) => stack.extend(reasons.iter().copied().filter(|&r| seen.insert(r))),
            None => return true,
        }
    }
    false
}

/// The definitions among `wanted` that a type contains by value.
fn contained(shape: &Shape, wanted: &HashSet<Key>, found: &mut Vec<Key>) {
    match shape {
        Shape::Named { key, .. } if wanted.contains(key) => found.push(*key),
        Shape::Modified(Modifier::Pointer, _) => {}
        Shape::Modified(_, inner) | Shape::Array(inner, _) => contained(inner, wanted, found),
        Shape::Composite(c) => contained_in(c, wanted, found),
        _ => {}
    }
}

fn contained_in(c: &Composite, wanted: &HashSet<Key>, found: &mut Vec<Key>) {
    c.members.iter().for_each(|m| contained(&m.shape, wanted, found));
}

/// Whether a class is one whose definitions others contain.
pub(super) fn is_contained(class: Class) -> bool {
    matches!(class, Class::Tag | Class::Typedef | Class::Number)
}
