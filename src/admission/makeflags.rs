//! What make says in `MAKEFLAGS`: whether there is a jobserver, where, and whether work shall be done at all.
//!
//! In: the words as make writes them, with backslashes before blanks. Out: [`MakeFlags`]. Words of a style
//! that is not known mean that there is no jobserver for us, as make's manual asks of clients.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Auth {
    /// Make has no jobserver, or make did not start this.
    #[default]
    None,
    /// A named pipe or a device.
    Fifo(PathBuf),
    /// Two inherited descriptors, to read and to write.
    Pipe(u32, u32),
    /// There is a jobserver, but not for this command.
    NotForUs,
    /// Something that later versions of make may know.
    Unknown(OsString),
}

/// What `MAKEFLAGS` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MakeFlags {
    /// Nothing shall be done (`make -n`).
    pub dry_run: bool,
    /// `-jN`: no more jobs than that at the same time. Not a permission to run that many.
    pub jobs: Option<u32>,
    /// The jobserver.
    pub auth: Auth,
}

impl MakeFlags {
    /// Reads the value of `MAKEFLAGS` or of a variable of the same form.
    pub fn parse(value: &OsStr) -> MakeFlags {
        let mut flags = MakeFlags::default();
        for (i, word) in words(value.as_bytes()).into_iter().enumerate() {
            if word == b"--" {
                // Variables follow, whatever they look like.
                break;
            }
            let auth = [b"--jobserver-auth=".as_slice(), b"--jobserver-fds="];
            if let Some(value) = auth.iter().find_map(|name| word.strip_prefix(*name)) {
                flags.auth = parse_auth(value);
            } else if let Some(count) = word.strip_prefix(b"-j") {
                flags.jobs = number(count);
            } else if i == 0 && !word.starts_with(b"-") && !word.contains(&b'=') {
                flags.dry_run = word.contains(&b'n');
            }
        }
        flags
    }
}

/// Reads the value of an option that names a jobserver: `fifo:PATH` or `R,W`.
pub fn parse_auth(value: &[u8]) -> Auth {
    if let Some(path) = value.strip_prefix(b"fifo:") {
        return Auth::Fifo(OsString::from_vec(path.to_vec()).into());
    }
    let comma = value.iter().position(|&byte| byte == b',');
    let both = comma.map(|at| (value.get(..at), value.get(at + 1..)));
    let Some((Some(read), Some(write))) = both else { return unknown(value) };
    match (number(read), number(write)) {
        (Some(read), Some(write)) => Auth::Pipe(read, write),
        _ if is_negative(read) || is_negative(write) => Auth::NotForUs,
        _ => unknown(value),
    }
}

fn unknown(value: &[u8]) -> Auth {
    Auth::Unknown(OsString::from_vec(value.to_vec()))
}

fn number(digits: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    // What does not fit into a descriptor is none.
    digits.parse().ok().filter(|&n| i32::try_from(n).is_ok())
}

fn is_negative(text: &[u8]) -> bool {
    text.strip_prefix(b"-").and_then(number).is_some()
}

/// Words between blanks; a backslash takes the next byte as it is.
fn words(value: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' => words.extend(word.take()),
            // One at the end stands for itself.
            b'\\' => word.get_or_insert_default().push(*bytes.next().unwrap_or(&byte)),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fifo(path: &str) -> Auth {
        Auth::Fifo(path.into())
    }

    /// What several versions of make were seen to write, and what must not be mistaken for it.
    #[test]
    fn as_make_writes_it() {
        let cases: &[(&str, bool, Option<u32>, Auth)] = &[
            ("", false, None, Auth::None),
            (" -j4 --jobserver-auth=3,4", false, Some(4), Auth::Pipe(3, 4)),
            (" -j4 --jobserver-fds=3,4", false, Some(4), Auth::Pipe(3, 4)),
            (" -j4 --jobserver-auth=fifo:/tmp/GMfifo12", false, Some(4), fifo("/tmp/GMfifo12")),
            (r" -j4 --jobserver-auth=fifo:/tmp/a\ b/GM\\x", false, Some(4), fifo(r"/tmp/a b/GM\x")),
            (" -j4 --jobserver-auth=3,4 --jobserver-auth=-2,-2", false, Some(4), Auth::NotForUs),
            (" --jobserver-auth=-2,-2 --jobserver-auth=5,6", false, None, Auth::Pipe(5, 6)),
            (" -j", false, None, Auth::None),
            ("k -j4 --jobserver-auth=3,4", false, Some(4), Auth::Pipe(3, 4)),
            ("kn -j4 --jobserver-auth=3,4", true, Some(4), Auth::Pipe(3, 4)),
            ("n", true, None, Auth::None),
            (" -n", false, None, Auth::None),
            ("nonsense=1", false, None, Auth::None),
            (r"k -- FOO=a\ b", false, None, Auth::None),
            (r" -j2 --jobserver-auth=3,4 -- X=--jobserver-auth=7,8", false, Some(2), Auth::Pipe(3, 4)),
            (r" -j2 --jobserver-auth=3,4 -- --jobserver-auth=7,8", false, Some(2), Auth::Pipe(3, 4)),
            (r" X=\ --jobserver-auth=7,8", false, None, Auth::None),
            (" --jobserver-auth=gmake_semaphore_1", false, None, Auth::Unknown("gmake_semaphore_1".into())),
            (" --jobserver-auth=", false, None, Auth::Unknown("".into())),
            (" --jobserver-auth=3", false, None, Auth::Unknown("3".into())),
            (" --jobserver-auth=3,x", false, None, Auth::Unknown("3,x".into())),
            (" --jobserver-auth=3,4,5", false, None, Auth::Unknown("3,4,5".into())),
            (" --jobserver-auth=99999999999,4", false, None, Auth::Unknown("99999999999,4".into())),
        ];
        for (text, dry_run, jobs, auth) in cases {
            let expected = MakeFlags { dry_run: *dry_run, jobs: *jobs, auth: auth.clone() };
            assert_eq!(MakeFlags::parse(OsStr::new(text)), expected, "{text:?}");
        }
    }

    /// A slow reader of the same rules, for words of a few letters that hit them often.
    #[test]
    fn as_a_slow_reader_reads_it() {
        fn slow(text: &str) -> (bool, Option<String>) {
            let mut all: Vec<String> = Vec::new();
            let mut chars = text.chars();
            let mut current = String::new();
            let mut open = false;
            loop {
                match chars.next() {
                    None => break,
                    Some('\\') => {
                        current.push(chars.next().unwrap_or('\\'));
                        open = true;
                    }
                    Some(' ') => {
                        if open {
                            all.push(std::mem::take(&mut current));
                        }
                        open = false;
                    }
                    Some(c) => {
                        current.push(c);
                        open = true;
                    }
                }
            }
            if open {
                all.push(current);
            }
            let end = all.iter().position(|word| word == "--").unwrap_or(all.len());
            let options = &all[..end];
            let dry =
                options.first().is_some_and(|w| !w.starts_with('-') && !w.contains('=') && w.contains('n'));
            let auth =
                options.iter().rev().find_map(|w| w.strip_prefix("--jobserver-auth=").map(str::to_owned));
            (dry, auth)
        }
        let parts =
            ["--jobserver-auth=", "3,4", "-2", ",", " ", " ", "\\", "--", "n", "k", "=", "fifo:/a", "é"];
        let mut state = 1_u64;
        let inputs = std::env::var("BTFGEN_PARSER_INPUTS").ok().and_then(|count| count.parse().ok());
        for _ in 0..inputs.unwrap_or(200_000_u64) {
            let mut text = String::new();
            for _ in 0..8 {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                text.push_str(parts[(state >> 33) as usize % parts.len()]);
            }
            let (dry_run, auth) = slow(&text);
            let flags = MakeFlags::parse(OsStr::new(&text));
            assert_eq!(flags.dry_run, dry_run, "{text:?}");
            let expected = auth.map_or(Auth::None, |value| parse_auth(value.as_bytes()));
            assert_eq!(flags.auth, expected, "{text:?}");
        }
    }
}
