//! The time of each unit of work. Those that mount need root and a mount namespace:
//! `unshare --mount --propagation private -- cargo bench --package keymount-micro-benches`.

use keymount_micro_benches::{ALL, unit};

fn main() {
    divan::main();
}

#[divan::bench(args = ALL.iter().map(|unit| unit.name))]
fn time(bencher: divan::Bencher<'_, '_>, name: &str) {
    let mut work = (unit(name).expect("one of them").prepare)();
    bencher.bench_local(&mut work);
}
