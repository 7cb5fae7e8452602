//! Definitions of one name against each other, and all that is said of each difference.

use std::collections::{HashMap, HashSet};

use super::model::{
    Body, Catalogue, Class, Composite, Definition, Enumeration, Key, Member, Modifier, Proto, Shape, Symbol,
    Symbols, Tag, Word,
};
use super::{Category, Change, Found, Mode, class_word, follow, render};

/// Most definitions of one name that are paired by likeness; those beyond are paired in order.
const MAX_PAIRED: usize = 16;

/// Most variables of a section that are named.
const MAX_ENTRIES: usize = 20;

struct Compare<'c> {
    before: &'c Catalogue,
    after: &'c Catalogue,
    symbols: &'c Symbols,
    mode: Mode,
}

pub(super) fn compare(before: &Catalogue, after: &Catalogue, symbols: &Symbols, mode: Mode) -> Vec<Found> {
    let compare = Compare { before, after, symbols, mode };
    let mut keys: Vec<Key> = before.definitions.keys().chain(after.definitions.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    let mut found = Vec::new();
    for key in keys {
        compare.key(key, &mut found);
    }
    compare.anonymous(&mut found);
    let place = |f: &Found| {
        (f.key.0, f.changes.first().map(|c| c.subject.clone()), f.changes.first().map(|c| c.category))
    };
    found.sort_by_cached_key(place);
    found
}

/// The changes of one definition as they are found.
struct Log<'c> {
    symbols: &'c Symbols,
    subject: String,
    name: String,
    changes: Vec<Change>,
    /// Numbers of moved members on the outermost level.
    moved: Vec<usize>,
}

impl Log<'_> {
    fn add(&mut self, category: Category, path: &str, before: String, after: String) {
        let (subject, name) = (self.subject.clone(), self.name.clone());
        let path = path.to_owned();
        self.changes.push(Change { category, subject, name, path, before, after, follow: 0, more: 0 });
    }

    fn shape(&self, shape: &Shape) -> String {
        render::shape(self.symbols, shape)
    }
}

type Listed<'a> = Vec<(usize, &'a Definition, u32)>;

impl<'c> Compare<'c> {
    fn log(&self, key: Key, definition: &Definition) -> Log<'c> {
        let word = match &definition.body {
            Body::Composite(c) if c.is_union => "union",
            Body::Declaration(Word::Union) => "union",
            Body::Enumeration(_) => "enum",
            Body::Anonymous(shape) => &render::shape(self.symbols, shape),
            _ => class_word(key.0),
        };
        let name = if key.0 == Class::Anonymous { String::new() } else { self.symbols.text(key.1) };
        let subject = render::key(self.symbols, key, word);
        Log { symbols: self.symbols, subject, name, changes: Vec::new(), moved: Vec::new() }
    }

    /// Compares all definitions of a name.
    fn key(&self, key: Key, found: &mut Vec<Found>) {
        let list = |catalogue: &'c Catalogue| -> Listed<'c> {
            let all = catalogue.definitions.get(&key).map_or(&[][..], |list| list);
            all.iter().enumerate().map(|(i, (d, n))| (i, d, *n)).collect()
        };
        let (all_before, all_after) = (list(self.before), list(self.after));
        let (mut before, mut after) = (all_before.clone(), all_after.clone());
        let exact = self.mode == Mode::Equal;
        // A declaration beside a definition says nothing in debugging information.
        if !exact && before.len() > 1 {
            let declares = |d: &Definition| matches!(d.body, Body::Declaration(_)) || is_incomplete(d);
            let defined = before.iter().filter(|(_, d, _)| !declares(d)).count();
            if defined > 0 {
                before.retain(|(_, d, _)| !declares(d));
            }
            // Of several definitions nobody may know which a declaration means: it may stay one.
            if defined > 1 {
                after.retain(|(_, d, _)| !declares(d) || !all_before.iter().any(|(_, a, _)| a == d));
            }
        }
        // Exactly equal ones first.
        let index: HashMap<&Definition, (usize, u32)> =
            after.iter().map(|(i, d, n)| (*d, (*i, *n))).collect();
        let mut gone = HashSet::new();
        let mut equal = false;
        before.retain(|(_, d, copies)| {
            let Some((i, others)) = index.get(d) else { return true };
            equal = true;
            gone.insert(*i);
            if exact && others != copies {
                let mut log = self.log(key, d);
                let times = |n: u32| format!("{n} copies");
                log.add(Category::Duplicate, "", times(*copies), times(*others));
                found.push(self.finish(key, log, None, false));
            }
            false
        });
        after.retain(|(i, ..)| !gone.contains(i));
        // What nothing uses here is used there.
        before.retain(|(_, d, _)| !is_used(d, self.after));
        after.retain(|(_, d, _)| !is_used(d, self.before));
        if before.is_empty() && after.is_empty() {
            return;
        }
        let used = matches!(key.0, Class::Function | Class::Variable);
        for (a, b) in self.pairs(&before, &after, if exact || !used { &[] } else { &all_before }) {
            match (a, b) {
                (Some((i, a)), Some((j, b))) => {
                    let mut log = self.log(key, a);
                    self.definition(a, b, &mut log);
                    if !log.changes.is_empty() {
                        found.push(self.finish(key, log, Some((i, j)), true));
                    }
                }
                (Some((_, a)), None) => {
                    let functions = matches!(self.mode, Mode::Encoded { functions: true });
                    let wanted = match key.0 {
                        Class::Function => exact || (functions && all_after.is_empty()),
                        Class::Variable | Class::Section | Class::Anonymous => exact,
                        _ => true,
                    };
                    if wanted {
                        let mut log = self.log(key, a);
                        let other = equal || !all_after.is_empty();
                        let category = if other { Category::Duplicate } else { Category::Removed };
                        log.add(category, "", self.brief(a), String::new());
                        found.push(self.finish(key, log, None, false));
                    }
                }
                (None, Some((_, b))) => {
                    // The index of arrays is `int` by convention, whether the file has one or not.
                    let index = key.0 == Class::Number && self.symbols.text(key.1) == "int";
                    if !exact && (index || matches!(key.0, Class::Section | Class::Anonymous)) {
                        continue;
                    }
                    let mut log = self.log(key, b);
                    let other = equal || !all_before.is_empty();
                    let category = if other { Category::Duplicate } else { Category::Added };
                    log.add(category, "", String::new(), self.brief(b));
                    found.push(self.finish(key, log, None, false));
                }
                (None, None) => {}
            }
        }
    }

    fn finish(&self, key: Key, log: Log<'_>, pair: Option<(usize, usize)>, compared: bool) -> Found {
        let only_places =
            log.changes.iter().all(|c| matches!(c.category, Category::Size | Category::MemberMoved));
        let resized = follow::is_contained(key.0)
            && log.changes.iter().any(|c| {
                matches!(c.category, Category::Size | Category::TypedefRetyped | Category::Encoding)
            });
        let moved = (compared && only_places && key.0 == Class::Tag).then_some(log.moved);
        Found { key, changes: log.changes, resized, moved, pair }
    }

    /// Pairs what is most alike; what is left over stands alone. With `sources`, each of the second may be
    /// paired with any of those.
    #[allow(clippy::type_complexity)]
    fn pairs<'a>(
        &self,
        before: &Listed<'a>,
        after: &Listed<'a>,
        sources: &[(usize, &'a Definition, u32)],
    ) -> Vec<(Option<(usize, &'a Definition)>, Option<(usize, &'a Definition)>)> {
        let weigh = |a: &Definition, b: &Definition| {
            let mut log = self.log((Class::Anonymous, Symbol::EMPTY), a);
            self.definition(a, b, &mut log);
            log.changes.len()
        };
        let mut out = Vec::new();
        if !sources.is_empty() {
            for &(j, b, _) in after {
                let nearest = sources.iter().take(MAX_PAIRED).min_by_key(|(_, a, _)| weigh(a, b));
                out.push((nearest.map(|&(i, a, _)| (i, a)), Some((j, b))));
            }
            if after.is_empty() {
                out.extend(before.iter().take(1).map(|&(i, a, _)| (Some((i, a)), None)));
            }
            return out;
        }
        let (mut left, mut right) = (before.clone(), after.clone());
        // Whatever the order of ids was, the same are paired.
        if left.len() > 1 || right.len() > 1 {
            let text = |d: &Definition| self.brief(d);
            left.sort_by_cached_key(|(_, d, _)| text(d));
            right.sort_by_cached_key(|(_, d, _)| text(d));
        }
        while !left.is_empty() && !right.is_empty() {
            let mut best = (usize::MAX, 0, 0);
            if left.len() > 1 || right.len() > 1 {
                for (i, (_, a, _)) in left.iter().take(MAX_PAIRED).enumerate() {
                    for (j, (_, b, _)) in right.iter().take(MAX_PAIRED).enumerate() {
                        best = best.min((weigh(a, b), i, j));
                    }
                }
            }
            let (_, i, j) = best;
            let (i, a, _) = left.remove(i);
            let (j, b, _) = right.remove(j);
            out.push((Some((i, a)), Some((j, b))));
        }
        out.extend(left.into_iter().map(|(i, a, _)| (Some((i, a)), None)));
        out.extend(right.into_iter().map(|(j, b, _)| (None, Some((j, b)))));
        out
    }

    /// A definition in a few words.
    fn brief(&self, d: &Definition) -> String {
        match &d.body {
            Body::Composite(c) => format!("{} bytes, {} members", c.size_bytes, c.members.len()),
            Body::Enumeration(e) => format!("{} bytes, {} values", e.size_bytes, e.values.len()),
            Body::Declaration(_) => "declared".to_owned(),
            Body::Alias(shape) | Body::Variable(shape, _) | Body::Anonymous(shape) => {
                render::shape(self.symbols, shape)
            }
            Body::Number(size, bits, _, encoding) => {
                format!("{size} bytes, {bits} bits, encoding {encoding}")
            }
            Body::Function(proto, _) => render::proto(self.symbols, proto),
            Body::Section(size, entries) => format!("{size} bytes, {} variables", entries.len()),
        }
    }

    /// Whether two types are the same where they are used.
    fn same(&self, a: &Shape, b: &Shape) -> bool {
        match (a, b) {
            (Shape::Named { key: a, word: v, variant: x }, Shape::Named { key: b, word: w, variant: y }) => {
                // Which of several is meant is compared if both sides have both; else these differ already.
                let known = self.before.variants.contains(y) && self.after.variants.contains(x);
                a == b && v == w && (x == y || !known)
            }
            (Shape::Modified(m, a), Shape::Modified(n, b)) => m == n && self.same(a, b),
            (Shape::Array(a, m), Shape::Array(b, n)) => m == n && self.same(a, b),
            (Shape::Proto(a), Shape::Proto(b)) => self.same_proto(a, b),
            (Shape::Composite(a), Shape::Composite(b)) => {
                let same = |(m, n): (&Member, &Member)| {
                    (m.name, m.offset_bits, m.bitfield_bits) == (n.name, n.offset_bits, n.bitfield_bits)
                        && self.same(&m.shape, &n.shape)
                };
                (a.is_union, a.size_bytes, a.members.len(), &a.tags)
                    == (b.is_union, b.size_bytes, b.members.len(), &b.tags)
                    && a.members.iter().zip(&b.members).all(same)
            }
            (a, b) => a == b,
        }
    }

    fn same_proto(&self, a: &Proto, b: &Proto) -> bool {
        a.variadic == b.variadic
            && a.params.len() == b.params.len()
            && self.same(&a.returns, &b.returns)
            && a.params.iter().zip(&b.params).all(|((m, a), (n, b))| m == n && self.same(a, b))
    }

    /// Everything in which two definitions differ.
    fn definition(&self, a: &Definition, b: &Definition, log: &mut Log<'_>) {
        match (&a.body, &b.body) {
            (Body::Composite(x), Body::Composite(y)) if x.is_union == y.is_union => {
                self.composite(x, y, "", log);
            }
            (Body::Enumeration(x), Body::Enumeration(y)) => self.enumeration(x, y, "", log),
            (Body::Alias(x), Body::Alias(y)) => {
                self.inside(x, y, "", Category::TypedefRetyped, log);
            }
            (Body::Number(s, ..), Body::Number(t, ..)) => {
                if s != t {
                    log.add(Category::Size, "", format!("{s} bytes"), format!("{t} bytes"));
                }
                if a.body != b.body && (s == t || !same_encoding(&a.body, &b.body)) {
                    log.add(Category::Encoding, "", self.brief(a), self.brief(b));
                }
            }
            (Body::Function(x, l), Body::Function(y, m)) => {
                self.function(x, y, log);
                self.linkage(*l, *m, log);
            }
            (Body::Variable(x, l), Body::Variable(y, m)) => {
                if !self.same(x, y) {
                    log.add(Category::VariableRetyped, "", log.shape(x), log.shape(y));
                }
                self.linkage(*l, *m, log);
            }
            (Body::Section(s, x), Body::Section(t, y)) => self.section((*s, x), (*t, y), log),
            (Body::Anonymous(x), Body::Anonymous(y)) => {
                self.inside(x, y, "", Category::MemberRetyped, log);
            }
            (Body::Declaration(x), Body::Declaration(y)) if x == y => {}
            (Body::Declaration(w), y) | (y, Body::Declaration(w)) if word_of(y) == *w => {
                log.add(Category::Declaration, "", self.brief(a), self.brief(b));
            }
            (x, y) => {
                let word = |body: &Body| match word_of(body) {
                    Word::Struct => "struct",
                    Word::Union => "union",
                    Word::Enum => "enum",
                    Word::None => "type",
                };
                log.add(Category::Kind, "", word(x).to_owned(), word(y).to_owned());
            }
        }
        self.tags(&a.tags, &b.tags, "", log);
    }

    fn linkage(&self, a: u32, b: u32, log: &mut Log<'_>) {
        let word = |l: u32| ["static", "global", "extern"].get(l as usize).unwrap_or(&"unknown").to_string();
        if a != b && self.mode == Mode::Equal {
            log.add(Category::Linkage, "", word(a), word(b));
        }
    }

    fn tags(&self, a: &[Tag], b: &[Tag], path: &str, log: &mut Log<'_>) {
        let kernel = |tag: &Tag| self.symbols.text(tag.1).starts_with("bpf_");
        let mut rest = b.to_vec();
        let mut gone = Vec::new();
        for tag in a {
            match rest.iter().position(|t| t == tag) {
                Some(at) => drop(rest.swap_remove(at)),
                None => gone.push(*tag),
            }
        }
        rest.sort_unstable();
        for (tags, before) in [(gone, true), (rest, false)] {
            for tag in tags {
                let (component, value, attribute) = tag;
                let category = if kernel(&tag) { Category::Kfunc } else { Category::Tag };
                // Kfuncs are known from a section, not from debugging information.
                if category == Category::Kfunc && self.mode != Mode::Equal {
                    continue;
                }
                let on = if component < 0 { path.to_owned() } else { format!("{path}#{component}") };
                let text = self.symbols.text(value);
                let text = if attribute { format!("attribute {text}") } else { format!("tag {text}") };
                let (x, y) = if before { (text, String::new()) } else { (String::new(), text) };
                let sign = if before { "removed" } else { "added" };
                log.add(category, format!("{on} {sign}").trim(), x, y);
            }
        }
    }

    /// A type at the same place; of what has no name, what is different inside.
    fn inside(&self, a: &Shape, b: &Shape, path: &str, category: Category, log: &mut Log<'_>) {
        if self.same(a, b) {
            return;
        }
        match (a, b) {
            (Shape::Composite(x), Shape::Composite(y)) if x.is_union == y.is_union => {
                self.composite(x, y, path, log);
                self.tags(&x.tags, &y.tags, path, log);
            }
            (Shape::Enumeration(x), Shape::Enumeration(y)) => self.enumeration(x, y, path, log),
            (Shape::Array(x, m), Shape::Array(y, n)) if m == n => self.inside(x, y, path, category, log),
            (Shape::Modified(m, x), Shape::Modified(n, y)) if m == n && has_body(x) && has_body(y) => {
                self.inside(x, y, path, category, log);
            }
            _ => log.add(category, path, log.shape(a), log.shape(b)),
        }
    }

    fn composite(&self, a: &Composite, b: &Composite, path: &str, log: &mut Log<'_>) {
        let outermost = path.is_empty();
        if a.size_bytes != b.size_bytes {
            let bytes = |n: u32| format!("{n} bytes");
            log.add(Category::Size, path, bytes(a.size_bytes), bytes(b.size_bytes));
        }
        let matched = self.matched(a, b);
        let mut taken = vec![false; b.members.len()];
        let mut removed = Vec::new();
        let mut last = None;
        // How far the member before this one moved, and the change that says so.
        let mut run: Option<(i64, usize)> = None;
        for (i, (m, &other)) in a.members.iter().zip(&matched).enumerate() {
            let Some(j) = other else {
                removed.push(m);
                continue;
            };
            let Some(n) = b.members.get(j) else { continue };
            taken[j] = true;
            let own = self.path(path, m, i);
            let mut moved = false;
            if m.offset_bits != n.offset_bits {
                moved = true;
                let by = i64::from(n.offset_bits) - i64::from(m.offset_bits);
                match run.and_then(|(far, change)| Some((far, log.changes.get_mut(change)?))) {
                    Some((far, change)) if far == by => change.more += 1,
                    _ => {
                        run = Some((by, log.changes.len()));
                        log.add(Category::MemberMoved, &own, at(m.offset_bits), at(n.offset_bits));
                    }
                }
            } else if last.is_some_and(|last| j < last) {
                moved = true;
                log.add(Category::MemberMoved, &own, String::new(), "in another order".to_owned());
            }
            if !moved {
                run = None;
            } else if outermost {
                log.moved.push(i);
            }
            last = last.max(Some(j));
            if m.bitfield_bits != n.bitfield_bits {
                let width =
                    |bits: u32| if bits == 0 { "no bitfield".to_owned() } else { format!("{bits} bits") };
                log.add(Category::Bitfield, &own, width(m.bitfield_bits), width(n.bitfield_bits));
            }
            self.inside(&m.shape, &n.shape, &own, Category::MemberRetyped, log);
        }
        let mut added: Vec<(usize, &Member)> =
            b.members.iter().enumerate().filter(|(j, _)| !taken.get(*j).copied().unwrap_or(true)).collect();
        for m in removed {
            let twin = added.iter().position(|(_, n)| {
                n.offset_bits == m.offset_bits
                    && n.bitfield_bits == m.bitfield_bits
                    && self.same(&m.shape, &n.shape)
            });
            let own = self.path(path, m, 0);
            match twin {
                Some(twin) => {
                    let (_, n) = added.remove(twin);
                    log.add(
                        Category::MemberRenamed,
                        &own,
                        self.symbols.text(m.name),
                        self.symbols.text(n.name),
                    );
                }
                None => log.add(Category::MemberRemoved, &own, member(log, m), String::new()),
            }
        }
        for (j, n) in added {
            log.add(Category::MemberAdded, &self.path(path, n, j), String::new(), member(log, n));
        }
    }

    fn path(&self, path: &str, m: &Member, number: usize) -> String {
        let name = match m.name {
            Symbol::EMPTY => format!("#{number}"),
            name => self.symbols.text(name),
        };
        if path.is_empty() { name } else { format!("{path}.{name}") }
    }

    /// For each member of `a` its like in `b`: by name; without one, by equal type, then in order.
    fn matched(&self, a: &Composite, b: &Composite) -> Vec<Option<usize>> {
        let mut by_name: HashMap<Symbol, Vec<usize>> = HashMap::new();
        for (j, n) in b.members.iter().enumerate().rev() {
            by_name.entry(n.name).or_default().push(j);
        }
        let mut nameless = by_name.remove(&Symbol::EMPTY).unwrap_or_default();
        nameless.reverse();
        let mut matched: Vec<Option<usize>> = a
            .members
            .iter()
            .map(|m| match m.name {
                Symbol::EMPTY => {
                    let same = |&j: &usize| b.members.get(j).is_some_and(|n| self.same(&m.shape, &n.shape));
                    let at = nameless.iter().take(64).position(same)?;
                    Some(nameless.remove(at))
                }
                name => by_name.get_mut(&name).and_then(Vec::pop),
            })
            .collect();
        let alike = |x: &Shape, y: &Shape| std::mem::discriminant(x) == std::mem::discriminant(y);
        for (m, other) in a.members.iter().zip(&mut matched) {
            if other.is_none() && m.name == Symbol::EMPTY {
                let like = |&j: &usize| b.members.get(j).is_some_and(|n| alike(&m.shape, &n.shape));
                *other = nameless.iter().position(like).map(|at| nameless.remove(at));
            }
        }
        matched
    }

    fn enumeration(&self, a: &Enumeration, b: &Enumeration, path: &str, log: &mut Log<'_>) {
        if a.size_bytes != b.size_bytes {
            let bytes = |n: u32| format!("{n} bytes");
            log.add(Category::Size, path, bytes(a.size_bytes), bytes(b.size_bytes));
        }
        if (a.signed, a.wide) != (b.signed, b.wide) {
            let word = |e: &Enumeration| {
                let sign = if e.signed { "signed" } else { "unsigned" };
                format!("{sign}, {} bits", if e.wide { 64 } else { 32 })
            };
            log.add(Category::EnumeratorChanged, path, word(a), word(b));
        }
        let value = |e: &Enumeration, v: u64| if e.signed { (v as i64).to_string() } else { v.to_string() };
        let mut others: HashMap<Symbol, (usize, u64)> =
            b.values.iter().enumerate().map(|(j, (name, v))| (*name, (j, *v))).collect();
        let mut last = None;
        let mut run: Option<(u64, usize)> = None;
        let own = |name: Symbol| match path {
            "" => self.symbols.text(name),
            path => format!("{path}.{}", self.symbols.text(name)),
        };
        for (name, v) in &a.values {
            match others.remove(name) {
                Some((j, w)) => {
                    let by = w.wrapping_sub(*v);
                    if by == 0 {
                        run = None;
                    }
                    if by != 0 {
                        match run.and_then(|(far, change)| Some((far, log.changes.get_mut(change)?))) {
                            Some((far, change)) if far == by => change.more += 1,
                            _ => {
                                run = Some((by, log.changes.len()));
                                log.add(Category::EnumeratorChanged, &own(*name), value(a, *v), value(b, w));
                            }
                        }
                    } else if last.is_some_and(|last| j < last) {
                        let text = "in another order".to_owned();
                        log.add(Category::EnumeratorChanged, &own(*name), String::new(), text);
                    }
                    last = last.max(Some(j));
                }
                None => log.add(Category::EnumeratorRemoved, &own(*name), value(a, *v), String::new()),
            }
        }
        for (name, v) in b.values.iter().filter(|(name, _)| others.contains_key(name)) {
            log.add(Category::EnumeratorAdded, &own(*name), String::new(), value(b, *v));
        }
        if a.values.len() != b.values.len() && log.changes.is_empty() {
            let count = |e: &Enumeration| format!("{} values", e.values.len());
            log.add(Category::EnumeratorChanged, path, count(a), count(b));
        }
    }

    fn function(&self, a: &Proto, b: &Proto, log: &mut Log<'_>) {
        let types = self.same(&a.returns, &b.returns)
            && a.variadic == b.variadic
            && a.params.len() == b.params.len()
            && a.params.iter().zip(&b.params).all(|((_, a), (_, b))| self.same(a, b));
        if !types {
            let text = |p: &Proto| render::proto(self.symbols, p);
            log.add(Category::Prototype, "", text(a), text(b));
            return;
        }
        for (i, ((m, _), (n, _))) in a.params.iter().zip(&b.params).enumerate() {
            if m != n {
                let text = |s: Symbol| self.symbols.text(s);
                log.add(Category::ParameterName, &format!("#{i}"), text(*m), text(*n));
            }
        }
    }

    fn section(&self, a: (u32, &[(Symbol, u32, u32)]), b: (u32, &[(Symbol, u32, u32)]), log: &mut Log<'_>) {
        let mut others: HashMap<Symbol, Vec<(u32, u32)>> = HashMap::new();
        for (name, offset, size) in b.1.iter().rev() {
            others.entry(*name).or_default().push((*offset, *size));
        }
        let place = |offset: u32, size: u32| format!("{size} bytes at {offset}");
        let mut moved = Vec::new();
        let start = log.changes.len();
        for (name, offset, size) in a.1 {
            let text = self.symbols.text(*name);
            match others.get_mut(name).and_then(Vec::pop) {
                None => log.add(Category::Section, &text, place(*offset, *size), String::new()),
                Some((o, s)) if s != *size => {
                    log.add(Category::Section, &text, place(*offset, *size), place(o, s));
                }
                Some((o, _)) if o != *offset => moved.push((text, *offset, o)),
                Some(_) => {}
            }
        }
        let mut added: Vec<_> =
            others.into_iter().flat_map(|(name, list)| list.into_iter().map(move |at| (at, name))).collect();
        added.sort_unstable();
        for ((offset, size), name) in added {
            log.add(Category::Section, &self.symbols.text(name), String::new(), place(offset, size));
        }
        if let Some((first, from, to)) = moved.first() {
            // What moved is a consequence of what came or went, and a list of all would hide that.
            let count = moved.len();
            let path = if count == 1 { first.clone() } else { format!("{first} and {} more", count - 1) };
            log.add(Category::Section, &path, at(*from * 8), at(*to * 8));
        }
        if a.0 != b.0 {
            let bytes = |n: u32| format!("{n} bytes");
            log.add(Category::Size, "", bytes(a.0), bytes(b.0));
        }
        let shown = start + MAX_ENTRIES;
        if let Some(rest) = log.changes.len().checked_sub(shown + 1) {
            log.changes.truncate(shown);
            log.add(Category::Section, "", String::new(), format!("{} more", rest + 1));
        }
    }

    /// Types without a name. In full comparisons each is part of something that was compared; there only
    /// copies can differ.
    fn anonymous(&self, found: &mut Vec<Found>) {
        let key = (Class::Anonymous, Symbol::EMPTY);
        let mut push = |category, subject: String, before: String, after: String| {
            let (name, path) = (String::new(), String::new());
            let changes = vec![Change { category, subject, name, path, before, after, follow: 0, more: 0 }];
            found.push(Found { key, changes, resized: false, moved: None, pair: None });
        };
        if self.mode == Mode::Equal {
            let copies = |c: &Catalogue| c.anonymous.values().map(|&n| u64::from(n) - 1).sum::<u64>();
            let (x, y) = (copies(self.before), copies(self.after));
            if x != y {
                let text = |n: u64| format!("{n} needless copies");
                push(Category::Duplicate, "types without a name".to_owned(), text(x), text(y));
            }
            return;
        }
        let mut lines = Vec::new();
        for (a, b, category) in
            [(self.before, self.after, Category::Removed), (self.after, self.before, Category::Added)]
        {
            for shape in a.anonymous.keys().filter(|shape| !b.anonymous.contains_key(*shape)) {
                lines.push((category, render::shape(self.symbols, shape)));
            }
        }
        lines.sort();
        for (category, text) in lines {
            push(category, text, String::new(), String::new());
        }
    }
}

/// Whether a type without a name is part of a catalogue.
fn is_used(d: &Definition, catalogue: &Catalogue) -> bool {
    matches!(&d.body, Body::Anonymous(shape) if catalogue.anonymous.contains_key(shape))
}

/// An enumeration that is only declared.
fn is_incomplete(d: &Definition) -> bool {
    matches!(&d.body, Body::Enumeration(e) if e.values.is_empty())
}

fn same_encoding(a: &Body, b: &Body) -> bool {
    match (a, b) {
        (Body::Number(s, bits, o, e), Body::Number(t, width, p, f)) => {
            // The width goes with the size.
            (o, e) == (p, f)
                && u64::from(*bits) == 8 * u64::from(*s)
                && u64::from(*width) == 8 * u64::from(*t)
        }
        _ => false,
    }
}

fn has_body(shape: &Shape) -> bool {
    match shape {
        Shape::Composite(_) | Shape::Enumeration(_) => true,
        Shape::Modified(Modifier::Pointer, inner) | Shape::Modified(_, inner) | Shape::Array(inner, _) => {
            has_body(inner)
        }
        _ => false,
    }
}

fn word_of(body: &Body) -> Word {
    match body {
        Body::Composite(c) if c.is_union => Word::Union,
        Body::Composite(_) => Word::Struct,
        Body::Enumeration(_) => Word::Enum,
        Body::Declaration(word) => *word,
        _ => Word::None,
    }
}

/// A place in bytes, and bits if need be.
fn at(bits: u32) -> String {
    match bits % 8 {
        0 => format!("at {}", bits / 8),
        rest => format!("at {} bit {rest}", bits / 8),
    }
}

fn member(log: &Log<'_>, m: &Member) -> String {
    let width = if m.bitfield_bits == 0 { String::new() } else { format!(":{}", m.bitfield_bits) };
    format!("{}{width} {}", log.shape(&m.shape), at(m.offset_bits))
}
