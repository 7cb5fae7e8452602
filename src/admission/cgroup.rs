//! Where this process is in the trees of control groups, and what the groups above it allow.
//!
//! In: `/proc/self/cgroup`, `/proc/self/mountinfo` and the directories that they name. Out: for a
//! controller, the directories from the group of this process up to the highest that can be seen. A
//! limit may be on any of them: reading the lowest alone, as many programs do, misses those of its parents.

use std::collections::VecDeque;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{Root, field};

/// The two designs of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A tree for each controller.
    V1,
    /// One tree for all.
    V2,
}

/// The groups that this process is in for one controller.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The design of the tree.
    pub version: Version,
    /// Directories from the own group to the highest that can be seen. Not empty.
    pub directories: Vec<PathBuf>,
    /// There are groups above the highest, or may be: what they allow cannot be known here.
    pub is_partial: bool,
}

impl Chain {
    /// The groups for a controller, or nothing if the system has none or does not show them.
    pub fn find(root: &Root, controller: &str) -> Option<Chain> {
        let groups = root.read("/proc/self/cgroup")?;
        let mounts = mounts(&root.read("/proc/self/mountinfo")?);
        let memberships = || groups.lines().filter_map(membership);
        // In a hybrid, a controller belongs to the old tree if that names it.
        if let Some((_, path)) =
            memberships().find(|(names, _)| names.split(',').any(|name| name == controller))
        {
            return Self::below(root, Version::V1, path, &mounts, controller);
        }
        let (_, path) = memberships().find(|(names, _)| names.is_empty())?;
        let chain = Self::below(root, Version::V2, path, &mounts, controller)?;
        chain.has_controller(root, controller).then_some(chain)
    }

    /// A tree of the new design that no controller was given to says nothing, whatever its files.
    fn has_controller(&self, root: &Root, controller: &str) -> bool {
        let prefix = format!("{controller}.");
        self.directories.iter().any(|directory| {
            let listed = root.read(directory.join("cgroup.controllers"));
            match listed {
                Some(listed) => listed.split_whitespace().any(|name| name == controller),
                None => fs::read_dir(root.path(directory)).is_ok_and(|mut entries| {
                    entries.any(|entry| {
                        entry.is_ok_and(|e| e.file_name().to_string_lossy().starts_with(&prefix))
                    })
                }),
            }
        })
    }

    fn below(root: &Root, version: Version, path: &str, mounts: &[Mount], controller: &str) -> Option<Chain> {
        let path = Path::new(path.strip_suffix(" (deleted)").unwrap_or(path));
        let fits = |mount: &&Mount| match version {
            Version::V1 => mount.kind == "cgroup" && mount.options.split(',').any(|name| name == controller),
            Version::V2 => mount.kind == "cgroup2",
        };
        let mut fitting: Vec<&Mount> = mounts.iter().filter(fits).collect();
        // The shortest root shows the most ancestors; of several mounts at one place the last hides the others.
        fitting.reverse();
        fitting.sort_by_key(|mount| mount.root.components().count());
        let exists = |path: &Path| root.path(path).is_dir();
        for mount in fitting.iter().filter(|mount| !leads_up(&mount.root)) {
            let Ok(relative) = path.strip_prefix(&mount.root) else { continue };
            // With `..` in it the own group is not below what is mounted.
            if leads_up(relative) || !exists(&mount.point) {
                continue;
            }
            let mut directory = mount.point.join(relative);
            // Of a group that was removed, the next living ancestor counts.
            while !exists(&directory) && directory != mount.point {
                directory.pop();
            }
            let up = directory.ancestors().take_while(|d| d.starts_with(&mount.point));
            let directories: Vec<_> = up.map(Path::to_owned).collect();
            let is_partial = mount.root != Path::new("/") || has_namespace(root, version, &mount.point);
            return Some(Chain { version, directories, is_partial });
        }
        // What is mounted begins above or beside the namespace: where the own group is can only be found out
        // by looking for the own process.
        let mount = fitting.into_iter().find(|mount| exists(&mount.point))?;
        let own = find_own(root, &mount.point).unwrap_or_else(|| mount.point.clone());
        let up = own.ancestors().take_while(|d| d.starts_with(&mount.point));
        Some(Chain { version, directories: up.map(Path::to_owned).collect(), is_partial: true })
    }
}

/// True if the process is in a namespace of its own, and the highest group that it sees is not the highest.
fn has_namespace(root: &Root, version: Version, top: &Path) -> bool {
    // The number of the first namespace is the same in every kernel.
    const FIRST: &str = "cgroup:[4026531835]";
    match fs::read_link(root.path(Path::new("/proc/self/ns/cgroup"))) {
        Ok(name) => name != Path::new(FIRST),
        // The real top of the new tree has no limits, hence no files for them.
        Err(_) => version == Version::V2 && root.path(&top.join("cgroup.type")).exists(),
    }
}

/// Groups that are looked into for the own process, and how deep.
const SEARCH_GROUPS: usize = 1000;
const SEARCH_DEPTH: usize = 3;

/// The group below `top` that lists the own process.
fn find_own(root: &Root, top: &Path) -> Option<PathBuf> {
    let pid = field(&root.read("/proc/self/status")?, "Pid")?.to_string();
    let mut left = SEARCH_GROUPS;
    let mut queue = VecDeque::from([(top.to_owned(), 0)]);
    while let Some((directory, depth)) = queue.pop_front() {
        left = left.checked_sub(1)?;
        if root.read(directory.join("cgroup.procs")).is_some_and(|list| list.lines().any(|line| line == pid))
        {
            return Some(directory);
        }
        if depth < SEARCH_DEPTH
            && let Ok(entries) = fs::read_dir(root.path(&directory))
        {
            let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            queue.extend(
                below.take(SEARCH_GROUPS).map(|entry| (directory.join(entry.file_name()), depth + 1)),
            );
        }
    }
    None
}

fn leads_up(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

/// `5:cpu,cpuacct:/path`: the controllers, none for the new tree, and the path.
fn membership(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.splitn(3, ':');
    let number = parts.next()?;
    let names = parts.next()?;
    let path = parts.next()?;
    // A tree of the old design without controllers has a name.
    (names.is_empty() == (number == "0")).then_some((names, path))
}

/// What is mounted somewhere.
#[derive(Debug)]
struct Mount {
    /// The directory of the file system that is at the mount point.
    root: PathBuf,
    point: PathBuf,
    kind: String,
    options: String,
}

/// Reads the list of mounts: `31 23 0:28 ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS`.
fn mounts(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (unescape(place.next()?), unescape(place.next()?));
        let mut kind = kind.split(' ');
        let (kind, options) = (kind.next()?, kind.nth(1).unwrap_or_default());
        Some(Mount {
            root: root.into(),
            point: point.into(),
            kind: kind.to_owned(),
            options: options.to_owned(),
        })
    };
    text.lines().filter_map(mount).collect()
}

/// Blanks and the like are written as a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = rest.get(1..4).filter(|_| first == b'\\');
        let code = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { rest.get(4..).unwrap_or_default() } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_system() {
        assert_eq!(membership("0::/a:b"), Some(("", "/a:b")));
        assert_eq!(membership("4:memory:/x"), Some(("memory", "/x")));
        assert_eq!(membership("garbage"), None);
        let found = mounts("1 2 0:3 /r\\040x /m\\134y rw shared:1 - cgroup cgroup rw,memory\nrubbish - x\n");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].root.to_str(), found[0].point.to_str()), (Some("/r x"), Some("/m\\y")));
        assert_eq!(unescape("a\\04"), "a\\04");
    }
}
