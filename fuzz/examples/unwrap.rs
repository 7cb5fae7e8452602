//! The ELF file that target `encode` builds of an input: `unwrap INPUT ELF`.

fn main() -> std::io::Result<()> {
    let mut paths = std::env::args_os().skip(1);
    let (Some(input), Some(elf)) = (paths.next(), paths.next()) else {
        return Err(std::io::Error::other("usage: unwrap INPUT ELF"));
    };
    std::fs::write(elf, btfgen_fuzz::Input::parse(&std::fs::read(input)?).elf())
}
