//! `keymount-unit --list`, `keymount-unit NAME TIMES`: does a unit of work so many times, for a tool that counts
//! what the process does.
#![expect(clippy::print_stdout, reason = "the list is the output")]

use anyhow::Context as _;
use keymount_micro_benches::{ALL, unit};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => ALL.iter().for_each(|unit| println!("{}", unit.name)),
        [name, times] => {
            let unit = unit(name).with_context(|| format!("there is no unit {name}; --list shows them"))?;
            let times: usize = times.parse().context("how often?")?;
            let mut work = (unit.prepare)();
            (0..times).for_each(|_| work());
        }
        _ => anyhow::bail!("keymount-unit --list, or keymount-unit NAME TIMES"),
    }
    Ok(())
}
