//! What must not get worse: instructions and system calls of units of work (`benches/counts.json`), and sizes, memory and request
//! counts of the daemons (`benches/figures.json`). Times are no part of it: they are the machine's as well. The programs
//! are those that the tests are built with, not optimised: what is done too often shows there as well, and a change is
//! judged in a minute.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::bench::{DRIVER, PROVIDER, run, tested};
use crate::generated::root;

/// What a unit may take more than recorded, in hundredths. What is hashed with a random seed, and the
/// machine's libc, move a count by less than that.
const MARGIN: u64 = 4;

/// A unit is counted with so many repetitions and with twice as many: what it takes to prepare falls out.
const TIMES: u64 = 4;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Records the counts instead of comparing them
    #[arg(long)]
    update: bool,
    /// Only counts what the units take
    #[arg(long)]
    units: bool,
}

const UNIT: &str = "keymount-unit";
const BENCH: &str = "keymount-bench";

/// How much of their work the rows of the bench do, in percent.
const EFFORT: &str = "20";

pub(crate) fn performance(arguments: &Arguments) -> anyhow::Result<()> {
    let programs: &[&str] = if arguments.units { &[UNIT] } else { &[UNIT, BENCH, DRIVER, PROVIDER] };
    let target = tested(programs.iter().copied())?;
    let counted = counts(&target.join(UNIT))?;
    let recorded = root().join("benches/counts.json");
    if arguments.update {
        let text = serde_json::to_string_pretty(&counted)? + "\n";
        std::fs::write(&recorded, text).with_context(|| recorded.display().to_string())?;
    }
    let worse = compare(&recorded, &counted)?;
    if !arguments.units {
        let mut bench = Command::new(root().join("benches/run.sh"));
        // The requests that a driver makes do not depend on who answers them.
        bench.env("EMULATED", "1").arg(target.join(BENCH));
        for (flag, program) in [("--driver", DRIVER), ("--provider", PROVIDER)] {
            bench.arg(flag).arg(target.join(program));
        }
        let figures = root().join("benches/figures.json");
        let text = std::fs::read_to_string(&figures).with_context(|| figures.display().to_string())?;
        let rows: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text)?;
        let rows: Vec<&str> = rows.keys().map(String::as_str).collect();
        bench.args(["--rows", &rows.join(","), "--effort", EFFORT, "--baseline"]);
        run(bench.arg(figures))?;
    }
    ensure!(worse.is_empty(), "more than recorded: {}", worse.join(", "));
    Ok(())
}

/// What each unit takes, done once.
fn counts(program: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let list = Command::new(program).arg("--list").output()?;
    let names = String::from_utf8(list.stdout)?;
    names
        .lines()
        .map(|name| {
            // What a volume costs are its system calls.
            let count = if name.starts_with("volume-") { system_calls } else { instructions };
            let (few, many) = (count(program, name, TIMES)?, count(program, name, 2 * TIMES)?);
            Ok((name.to_owned(), many.saturating_sub(few) / TIMES))
        })
        .collect()
}

/// System calls of a process that does a unit of work so many times, in a mount namespace of its own.
fn system_calls(program: &Path, unit: &str, times: u64) -> anyhow::Result<u64> {
    let mut strace = Command::new("unshare");
    strace.args(["--mount", "--propagation", "private", "--", "strace", "-f", "-c"]).arg(program);
    let output = strace.args([unit, &times.to_string()]).output().context("unshare (util-linux)")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{unit} under strace: {text}");
    // The last line: share, seconds, calls, errors.
    let total = text.lines().rev().find(|line| line.trim_end().ends_with(" total"));
    let numbers = total.unwrap_or_default().split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    // The average time of a call may stand before their number, as the number of errors may behind it.
    numbers.max().with_context(|| format!("strace tells no count: {text}"))
}

/// Instructions of a process that does a unit of work so many times.
fn instructions(program: &Path, unit: &str, times: u64) -> anyhow::Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--"]).arg(program);
    let output = valgrind.args([unit, &times.to_string()]).output().context("valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{unit} under valgrind: {text}");
    let counted = text.lines().find_map(|line| line.split_once("Collected : "));
    let counted = counted.with_context(|| format!("valgrind tells no count: {text}"))?.1;
    counted.trim().parse().with_context(|| counted.to_owned())
}

/// Prints what was recorded beside what was counted; gives those that take more.
#[expect(clippy::print_stdout, reason = "the output of the chore")]
fn compare(recorded: &Path, counted: &BTreeMap<String, u64>) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(recorded).with_context(|| recorded.display().to_string())?;
    let before: BTreeMap<String, u64> = serde_json::from_str(&text)?;
    let mut worse = Vec::new();
    println!("{:<36}{:>14}{:>14}", "instructions, or system calls", "recorded", "now");
    for (name, now) in counted {
        let before = *before.get(name).with_context(|| format!("{name} is not recorded: --update"))?;
        println!("{name:<36}{before:>14}{now:>14}");
        if *now > before + before * MARGIN / 100 {
            worse.push(name.clone());
        }
    }
    Ok(worse)
}
