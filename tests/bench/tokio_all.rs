//! tokio_all.rs - the same benches with tokio, on one thread. A channel cannot be
//! without room there, so the rendezvous has room for one. Prints what bench.h
//! describes.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{yield_now, JoinHandle};

/// Nanoseconds of CPU of this process, user and system.
fn cpu() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };

    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 * 1e9 + t.tv_nsec as f64
}

fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = text.split(' ').nth(1).unwrap();

    pages.parse::<f64>().unwrap() * 4096.0
}

async fn join(all: Vec<JoinHandle<()>>) {
    for one in all {
        one.await.unwrap();
    }
}

async fn yields(size: usize, ops: usize) {
    let each = ops / size;
    let yielder = move || async move {
        for _ in 0..each {
            yield_now().await;
        }
    };

    join((0..size).map(|_| tokio::spawn(yielder())).collect()).await;
}

async fn spawns(size: usize, ops: usize) {
    for _ in 0..ops / size {
        if size == 1 {
            tokio::spawn(async {}).await.unwrap();
        } else {
            join((0..size).map(|_| tokio::spawn(async {})).collect()).await;
        }
    }
}

async fn rendezvous(ops: usize) {
    let (there, mut theirs) = mpsc::channel::<usize>(1);
    let (mine, mut back) = mpsc::channel::<usize>(1);
    let echoer = tokio::spawn(async move {
        while let Some(item) = theirs.recv().await {
            mine.send(item).await.unwrap();
        }
    });

    for i in 0..ops {
        there.send(i).await.unwrap();
        back.recv().await.unwrap();
    }
    drop(there);
    echoer.await.unwrap();
}

async fn buffered(size: usize, ops: usize) {
    let (there, mut here) = mpsc::channel::<usize>(size);

    tokio::spawn(async move {
        for i in 0..ops {
            there.send(i).await.unwrap();
        }
    });
    while here.recv().await.is_some() {}
}

async fn deadlines(ops: usize) {
    let at = tokio::time::Instant::now() + Duration::from_secs(3600);

    for _ in 0..ops {
        tokio::time::timeout_at(at, async {}).await.unwrap();
    }
}

async fn timers(size: usize, ops: usize) {
    let each = ops / size;
    let sleeper = move |mut state: u32| async move {
        for _ in 0..each {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let ms = 1 + u64::from(state % 100);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    };
    let seed = |i: usize| (i as u32 + 1).wrapping_mul(2654435761) | 1;

    join((0..size).map(|i| tokio::spawn(sleeper(seed(i)))).collect()).await;
}

static WAITING: AtomicUsize = AtomicUsize::new(0);

async fn wait_for_ever() {
    WAITING.fetch_add(1, Ordering::Relaxed);
    std::future::pending::<()>().await
}

async fn idle(name: &str, count: usize) {
    let before = resident();
    let mut began = cpu();
    let all: Vec<_> =
        (0..count).map(|_| tokio::spawn(wait_for_ever())).collect();

    while WAITING.load(Ordering::Relaxed) < count {
        yield_now().await;
    }
    let per = |x: f64| x / count as f64;
    println!("{name}_spawn ns {}", per(cpu() - began));
    println!("{name}_rss bytes {}", per(resident() - before));
    began = cpu();
    for one in &all {
        one.abort();
    }
    for one in all {
        assert!(one.await.is_err());
    }
    println!("{name}_cancel ns {}", per(cpu() - began));
}

async fn part(name: &str, size: usize, ops: usize) {
    match name {
        "yield_2" | "yield_1000" => yields(size, ops).await,
        "nursery_1" | "spawn_1000" => spawns(size, ops).await,
        "chan_rendezvous" => rendezvous(ops).await,
        "chan_buffered_128" => buffered(size, ops).await,
        "scope_deadline" => deadlines(ops).await,
        _ => timers(size, ops).await,
    }
}

/// In a task of its own: the main one is woken by way of the poller.
async fn measure(name: &'static str, ops: usize, size: usize) {
    if name.starts_with("idle") {
        return idle(name, ops).await;
    }
    if !name.starts_with("timers") {
        part(name, size, ops / 20).await;
    }
    let began = cpu();
    part(name, size, ops).await;
    println!("{name} ns {}", (cpu() - began) / ops as f64);
}

const BENCHES: [(&'static str, usize, usize); 11] = [
    ("yield_2", 2000000, 2),
    ("yield_1000", 2000000, 1000),
    ("nursery_1", 500000, 1),
    ("spawn_1000", 500000, 1000),
    ("chan_rendezvous", 500000, 0),
    ("chan_buffered_128", 3000000, 128),
    ("scope_deadline", 2000000, 0),
    ("timers_100000_cpu", 1000000, 100000),
    ("idle_10000", 10000, 0),
    ("idle_100000", 100000, 0),
    ("idle_1000000", 1000000, 0),
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();

    for (name, ops, size) in BENCHES {
        if args[1] == "--list" {
            println!("{name}");
        } else if args[1] == name {
            let ops = args.get(2).map_or(ops, |s| s.parse().unwrap());
            runtime.block_on(async { tokio::spawn(measure(name, ops, size)).await })
                .unwrap();
        }
    }
}
