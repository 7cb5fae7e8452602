//! Programs in C that are made up by a test, and how they are built.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Random;

/// A compiler for x86-64.
pub fn gcc() -> Option<PathBuf> {
    super::tool("x86_64-linux-gnu-gcc").or_else(|| super::tool_or_skip("gcc"))
}

/// Builds a program of these units, which need no library.
#[track_caller]
pub fn link<S: AsRef<str>>(gcc: &Path, units: &[S], out: &Path) {
    link_with(gcc, &["-static"], units, out);
}

/// Builds a program of these units with these flags.
#[track_caller]
pub fn link_with<S: AsRef<str>>(compiler: &Path, flags: &[&str], units: &[S], out: &Path) {
    let mut files = Vec::new();
    for (i, source) in units.iter().enumerate() {
        files.push(out.with_extension(format!("{i}.c")));
        std::fs::write(&files[i], source.as_ref()).unwrap();
    }
    let mut command = Command::new(compiler);
    command.args(["-g", "-w", "-ffreestanding", "-nostdlib", "-Wl,-e,0", "-Wl,--build-id=none"]);
    assert!(command.args(flags).args(&files).arg("-o").arg(out).status().unwrap().success());
}

/// Units in C that declare and define structs of `names` names in a few ways, at random.
pub fn random_units(random: &mut Random, names: usize) -> Vec<String> {
    let mut units = Vec::new();
    for unit in 0..2 + random.below(names - 1) {
        let mut source = String::new();
        let (mut defined, mut variables) = (Vec::new(), String::new());
        for name in 0..names {
            let _ = writeln!(source, "struct s{name};");
        }
        let mut order: Vec<usize> = (0..names).collect();
        for i in (1..names).rev() {
            order.swap(i, random.below(i + 1));
        }
        for name in order {
            let _ = writeln!(variables, "struct s{name} *p{unit}_{name};");
            if random.below(4) == 0 {
                continue;
            }
            // Equal definitions stand in the same place, so that linkers which unite types may do so.
            let _ = writeln!(source, "#line {} \"types.h\"\nstruct s{name} {{", 100 * (name + 1));
            for member in 0..1 + random.below(3) {
                let other = random.below(names);
                let aligned = if random.below(6) == 0 { " __attribute__((aligned(32)))" } else { "" };
                let declared = match random.below(12) {
                    0..5 => format!("struct s{other} *m{member}"),
                    5 => format!("int (*m{member})(struct s{other} *, int)"),
                    6 => format!("const struct s{other} *m{member}[2]"),
                    7 => format!("struct {{ struct s{other} *inner; int n; }} m{member}"),
                    8 => format!("union {{ struct s{other} *either; long or; }} m{member}"),
                    9 if !defined.is_empty() => {
                        format!("struct s{} m{member}", defined[random.below(defined.len())])
                    }
                    10 => format!("long m{member}"),
                    _ => format!("int m{member}"),
                };
                let _ = writeln!(source, "\t{declared}{aligned};");
            }
            let _ = writeln!(source, "}};");
            defined.push(name);
            let _ = writeln!(variables, "struct s{name} v{unit}_{name};");
        }
        source += &variables;
        // Of one name, but each unit's own: which of them agree depends on what the structs mean there.
        for function in 0..names.div_ceil(2) {
            let (first, second) = (random.below(names.min(3)), random.below(names));
            let second = if random.below(3) == 0 { format!(", struct s{second} **q") } else { String::new() };
            let _ = writeln!(
                source,
                "__attribute__((noinline, used)) static int f{function}(struct s{first} *p{second}) {{ return !p; }}"
            );
        }
        units.push(source);
    }
    units
}

/// A unit of which [`repeated`] makes programs.
fn piece(gcc: &Path, out: &Path) -> PathBuf {
    let mut source = String::new();
    for i in 0..4000 {
        let _ = writeln!(source, "typedef struct {{ int a; long b[{i}]; struct s{i} *c; }} t{i};");
    }
    let (unit, piece) = (out.with_extension("c"), out.with_extension("unit.o"));
    std::fs::write(&unit, source).unwrap();
    let mut compile = Command::new(gcc);
    compile.args(["-g", "-fno-eliminate-unused-debug-types", "-c", "-o"]).arg(&piece).arg(&unit);
    assert!(compile.status().unwrap().success());
    piece
}

fn repeated(gcc: &Path, piece: &Path, copies: usize, out: &Path) {
    let mut link = Command::new(gcc);
    link.args(["-static", "-nostdlib", "-Wl,-e,0", "-Wl,--build-id=none", "-o"])
        .arg(out)
        .args(vec![piece; copies]);
    assert!(link.status().unwrap().success());
}

/// A program of many like units, with work for more than eight workers.
#[track_caller]
pub fn wide(gcc: &Path, out: &Path) {
    repeated(gcc, &piece(gcc, out), 64, out);
}

/// A program of many like units, for which the real program takes more than `seconds` on one worker.
#[track_caller]
pub fn long(gcc: &Path, out: &Path, seconds: f64) {
    let piece = piece(gcc, out);
    let mut copies = 32;
    loop {
        repeated(gcc, &piece, copies, out);
        let mut encode = Command::new(env!("CARGO_BIN_EXE_btfgen"));
        encode.arg(out).args(["-j1", "--admission=off", "-o", "/dev/null"]).env("BTFGEN_HISTORY", "off");
        let start = std::time::Instant::now();
        assert!(encode.status().unwrap().success());
        let took = start.elapsed().as_secs_f64();
        if took >= seconds {
            return;
        }
        copies = (copies as f64 * (1.3 * seconds / took).clamp(1.5, 16.0)) as usize;
    }
}
