//! What calls cost the switch alone, without sockets: one from its originate to the end of both legs, one event, and
//! what is asked of a switch with 100,000 channels.
//!
//!     cargo bench -p fs-sim

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fs_sim::bench::Bench;

/// Calls that make 100,000 channels.
const CALLS: u64 = 50_000;

const ANSWERED: Duration = Duration::from_millis(10);

fn call(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call");
    for format in ["plain", "json", "xml"] {
        let mut bench = Bench::new(format);
        group.throughput(Throughput::Bytes(bench.call() as u64));
        group.bench_function(format, |bencher| bencher.iter(|| black_box(bench.call())));
    }
    group.finish();
}

fn answer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("CHANNEL_ANSWER");
    for format in ["plain", "json", "xml"] {
        let mut bench = Bench::new(format);
        bench.originate();
        bench.pass(ANSWERED);
        group.throughput(Throughput::Bytes(bench.answer() as u64));
        group.bench_function(format, |bencher| bencher.iter(|| black_box(bench.answer())));
    }
    group.finish();
}

/// A switch with 100,000 channels that are up.
fn crowd() -> Bench {
    let mut bench = Bench::new("plain");
    for _ in 0..CALLS {
        bench.originate();
    }
    bench.pass(ANSWERED);
    assert_eq!(bench.channels() as u64, 2 * CALLS);
    bench
}

fn channels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("100,000 channels");
    group.sample_size(10);
    let mut bench = crowd();
    for command in [
        "api status",
        "api show channels count",
        "api show channels like aaaaaaaa-0000-4000-8000-000000001234",
        "api show channels as json",
        "api uuid_getvar aaaaaaaa-0000-4000-8000-000000001234 load_run",
        "api hupall NORMAL_CLEARING load_run of_another",
    ] {
        group.bench_function(&command["api ".len()..], |bencher| bencher.iter(|| black_box(bench.say(command))));
    }
    drop(bench);
    // One whole life of them all is a sample.
    group.bench_function("set up", |bencher| {
        bencher.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                let began = Instant::now();
                let bench = crowd();
                took += began.elapsed();
                drop(bench);
            }
            took
        });
    });
    group.bench_function("hupall", |bencher| {
        bencher.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                let mut bench = crowd();
                let began = Instant::now();
                bench.say("api hupall NORMAL_CLEARING load_run 0123456789ab");
                bench.pass(Duration::from_millis(50));
                took += began.elapsed();
                assert_eq!(bench.channels(), 0);
            }
            took
        });
    });
    group.finish();
}

criterion_group!(benches, call, answer, channels);
criterion_main!(benches);
