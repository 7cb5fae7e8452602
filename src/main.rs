fn main() {
    let a: Vec<String> = std::env::args().collect();
    let image = btfgen::Image::open(&a[1]).unwrap();
    let jobs = btfgen::Jobs::Exactly(a[3].parse().unwrap());
    let out = btfgen::Encoder::new(btfgen::Options::default()).jobs(jobs).encode(&image);
    match out { Ok(out) => { std::fs::write(&a[2], &out.btf).unwrap(); eprintln!("{:#?}", out.report); } Err(e) => eprintln!("{e}") }
}
