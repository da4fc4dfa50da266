//! The allocator of blocks beside what else one would use: a scan with `ipnet`, and Python's `ipaddress` and `netaddr`.
//!
//! ```text
//! cargo bench -p eks-benches --bench cidr             # compiles no SDK
//! cargo bench -p eks-benches --bench cidr -- --python # beside Python too; installs netaddr below target/
//! ```
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use eks_net::Allocator;
use ipnet::{Ipv4Net, Ipv6Net};

const SIZES: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
/// A million blocks of 16 addresses, twice.
const PREFIX: u8 = 28;

fn space() -> Ipv4Net {
    Ipv4Net::new_assert([10, 0, 0, 0].into(), 7).trunc()
}

/// Runs `once` on fresh input until the sum is long enough to trust; the best nanoseconds for one of `count` operations.
fn measure<T>(count: usize, mut input: impl FnMut() -> T, mut once: impl FnMut(&mut T)) -> f64 {
    let (mut best, mut spent, mut runs) = (f64::INFINITY, 0.0, 0);
    while runs < 3 || (spent < 0.05 && runs < 20_000) {
        let mut input = input();
        let start = Instant::now();
        once(&mut input);
        let took = start.elapsed().as_secs_f64();
        (best, spent, runs) = (took.min(best), spent + took, runs + 1);
        black_box(input);
    }
    best * 1e9 / f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Numbers that are the same in every run. (SplitMix64, by Sebastiano Vigna.)
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(end).unwrap_or(u64::MAX)).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
    }
}

fn fill(count: usize) -> Allocator<Ipv4Net> {
    let mut allocator = Allocator::new(space());
    for _ in 0..count {
        black_box(allocator.allocate(black_box(PREFIX)));
    }
    allocator
}

/// What one writes without an allocator: the first block that meets none of those taken.
fn fill_by_scan(count: usize) -> Vec<Ipv4Net> {
    let mut taken: Vec<Ipv4Net> = Vec::new();
    for _ in 0..count {
        let free = |block: &Ipv4Net| !taken.iter().any(|other| other.contains(block) || block.contains(other));
        let found = space().subnets(PREFIX).ok().and_then(|mut blocks| blocks.find(free));
        taken.extend(found);
    }
    taken
}

/// What one writes next: the first gap in a sorted list that is large enough.
fn fill_by_gap(count: usize) -> Vec<Ipv4Net> {
    let mut taken: Vec<Ipv4Net> = Vec::new();
    for _ in 0..count {
        if let Some((at, found)) = first_gap(space(), black_box(PREFIX), &taken) {
            taken.insert(at, found);
        }
    }
    taken
}

fn first_gap(within: Ipv4Net, prefix: u8, taken: &[Ipv4Net]) -> Option<(usize, Ipv4Net)> {
    let size = 1_u64 << (32 - prefix);
    let mut start = u64::from(u32::from(within.network()));
    let mut place = 0;
    for other in taken {
        if start + size <= u64::from(u32::from(other.network())) {
            break;
        }
        start = start.max((u64::from(u32::from(other.broadcast())) + 1).next_multiple_of(size));
        place += 1;
    }
    let found = Ipv4Net::new(u32::try_from(start).ok()?.into(), prefix).ok()?;
    within.contains(&found).then_some((place, found))
}

/// Live blocks of mixed sizes with holes between, and the live blocks in random order.
fn churned(count: usize) -> (Allocator<Ipv4Net>, Vec<Ipv4Net>) {
    let mut random = Random(7);
    let mut allocator = Allocator::new(Ipv4Net::new_assert([0, 0, 0, 0].into(), 0));
    let mut live: Vec<Ipv4Net> =
        (0..count + count / 4).filter_map(|_| allocator.allocate(u8::try_from(22 + random.below(7)).unwrap_or(PREFIX))).collect();
    random.shuffle(&mut live);
    for block in live.drain(count..) {
        let _ = allocator.release(block);
    }
    (allocator, live)
}

/// Nanoseconds of one call of `once` with each of these.
fn each<T: Copy>(all: &[T], mut once: impl FnMut(T)) -> f64 {
    let start = Instant::now();
    for one in all {
        once(*one);
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(all.len()).unwrap_or(u32::MAX))
}

/// The best of many rounds: to allocate a batch of blocks, to release one, to take it again, to find what overlaps it. Every
/// round has other blocks, and ends as it began.
fn operations(allocator: &mut Allocator<Ipv4Net>, live: &[Ipv4Net]) -> [f64; 4] {
    let mut best = [f64::INFINITY; 4];
    let batch = (live.len() / 20).clamp(10, 10_000);
    for round in 0..if live.len() < 10_000 { 1_000 } else { 20 } {
        let blocks = &live[round * batch % live.len()..][..batch];
        let release = each(blocks, |block| drop(black_box(allocator.release(block))));
        let take = each(blocks, |block| drop(black_box(allocator.take(block))));
        let overlapping = each(blocks, |block| _ = black_box(allocator.overlapping(block).count()));
        each(blocks, |block| drop(allocator.release(block)));
        let mut found = Vec::with_capacity(batch);
        let allocate = each(blocks, |block| found.extend(allocator.allocate(block.prefix_len())));
        each(&found, |block| drop(allocator.release(block)));
        each(blocks, |block| drop(allocator.take(block)));
        for (best, now) in best.iter_mut().zip([allocate, release, take, overlapping]) {
            *best = best.min(now);
        }
    }
    best
}

fn main() {
    // `cargo test --all-targets` runs benchmarks too, to see that they work.
    let quick = !std::env::args().any(|arg| arg == "--bench");
    let python = if std::env::args().any(|arg| arg == "--python") { python() } else { BTreeMap::new() };
    println!("Filling: nanoseconds for one allocation of a /{PREFIX} of {}, from the first to the n-th\n", space());
    println!(
        "{:>9} {:>9} {:>21} {:>21} {:>25} {:>25}",
        "n", "ours", "ipnet, scan", "ipnet, sorted list", "Python ipaddress", "Python netaddr"
    );
    let sizes = if quick { &SIZES[..3] } else { &SIZES[..] };
    let beside =
        |ours: f64, other: Option<f64>| other.map_or_else(|| "–".to_owned(), |other| format!("{other:.0} ({:.1} ×)", other / ours));
    for &count in sizes {
        let ours = measure(count, || (), |()| drop(black_box(fill(count))));
        let scan = (count <= 1_000).then(|| measure(count, || (), |()| drop(black_box(fill_by_scan(count)))));
        let gap = (count <= 10_000).then(|| measure(count, || (), |()| drop(black_box(fill_by_gap(count)))));
        let of = |library: &str| beside(ours, python.get(&(library.to_owned(), count)).copied());
        println!(
            "{count:>9} {ours:>9.0} {:>21} {:>21} {:>25} {:>25}",
            beside(ours, scan),
            beside(ours, gap),
            of("ipaddress"),
            of("netaddr")
        );
    }
    println!("\nWith n live blocks of /22 to /28 and a quarter as many holes: nanoseconds for one operation on a random block\n");
    println!("{:>9} {:>19} {:>19} {:>19} {:>19}", "n", "allocate", "release", "take", "overlapping");
    for &count in sizes {
        let (mut allocator, live) = churned(count);
        let figures = operations(&mut allocator, &live).map(|figure| format!("{figure:.0} ({:.1} M/s)", 1e3 / figure));
        println!("{count:>9} {:>19} {:>19} {:>19} {:>19}", figures[0], figures[1], figures[2], figures[3]);
    }
    let mut vpc = Allocator::<Ipv6Net>::new(Ipv6Net::new_assert([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0].into(), 40));
    let started = Instant::now();
    let many: usize = if quick { 1_000 } else { 1_000_000 };
    for _ in 0..many {
        black_box(vpc.allocate(64));
    }
    let each = started.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(many).unwrap_or(u32::MAX));
    println!("\nIPv6: {many} /64s of a /40, {each:.0} ns each");
}

/// What `cidr.py` measured, by library and size; nothing where there is no Python.
fn python() -> BTreeMap<(String, usize), f64> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let venv = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cidr-python");
    let interpreter = venv.join("bin/python");
    let ran = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    if !interpreter.exists() && ran(Command::new("python3").args(["-m", "venv"]).arg(&venv)) {
        ran(Command::new(&interpreter).args(["-m", "pip", "install", "--quiet", "netaddr==1.3.0"]));
    }
    let interpreter = if interpreter.exists() { interpreter } else { "python3".into() };
    let Ok(output) = Command::new(interpreter).arg(here.join("cidr.py")).output() else { return BTreeMap::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        Some(((words.next()?.to_owned(), words.next()?.parse().ok()?), words.next()?.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}
