//! What packages hold: the script that installs it, run into a directory of its own.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const BTFGEN: &str = env!("CARGO_BIN_EXE_btfgen");

fn install(binaries: &Path, root: &Path) {
    let mut script = Command::new(common::root().join("packaging/install.sh"));
    script.arg(root).env("BINARIES", binaries).env("PREFIX", "/usr");
    let output = script.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// All that is below a directory and no directory, by its path from there.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() && !path.is_symlink() {
            true => found.extend(below(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn what_packages_hold() {
    let root = TempDir::new().unwrap();
    install(Path::new(BTFGEN).parent().unwrap(), root.path());
    let usr = root.path().join("usr");
    let found = below(root.path());
    for path in &found {
        assert!(path.starts_with(&usr) && path.metadata().unwrap().len() > 0, "{}", path.display());
    }
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(usr.join(program)).args(args).env_remove("BTFGEN_PAHOLE_VERSION").output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    // The program under all its names.
    assert!(run("bin/btfgen", &["--version"]).starts_with("btfgen "));
    assert_eq!(run("bin/btfgen-pahole", &["--version"]), "v1.31\n");
    assert_eq!(run("lib/btfgen/pahole", &["--version"]), "v1.31\n");
    assert!(run("lib/btfgen/btfdiff", &["--help"]).contains("<BEFORE>"));
    // Of the names in bin none is one that packages of pahole have.
    let mut bin: Vec<_> =
        below(&usr.join("bin")).into_iter().map(|p| p.file_name().unwrap().to_owned()).collect();
    bin.sort();
    assert_eq!(bin, ["btfgen", "btfgen-pahole"]);
    // A page for each command that the page of the program refers to.
    let page = std::fs::read_to_string(usr.join("share/man/man1/btfgen.1")).unwrap();
    let commands: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("btfgen\\-").and_then(|line| line.strip_suffix("(1)")))
        .collect();
    assert!(commands.contains(&"check") && commands.contains(&"diff"), "{commands:?}");
    for command in commands {
        let page = std::fs::read_to_string(usr.join(format!("share/man/man1/btfgen-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    for shell in [
        "bash-completion/completions/btfgen",
        "fish/vendor_completions.d/btfgen.fish",
        "zsh/site-functions/_btfgen",
    ] {
        assert!(
            std::fs::read_to_string(usr.join("share").join(shell)).unwrap().contains("lang-exclude"),
            "{shell}"
        );
    }
    // A program that is there already stays.
    install(&usr.join("bin"), root.path());
    assert_eq!(below(root.path()).len(), found.len());
}
