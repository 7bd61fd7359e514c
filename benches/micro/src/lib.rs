//! Units of work that need no network: what a daemon does again and again between its system calls.
//!
//! `cargo bench --package keymount-micro-benches` takes their time; `cargo xtask performance` counts their
//! instructions, or system calls, and compares those with `benches/counts.json`.

mod text;
mod vault;
mod volume;

/// A unit of work.
pub struct Unit {
    /// How it is chosen.
    pub name: &'static str,
    /// Makes what it needs, and gives the work.
    pub prepare: fn() -> Work,
}

/// Can be done as often as one likes; each time is like the others.
pub type Work = Box<dyn FnMut()>;

/// All units.
pub const ALL: &[Unit] = &[
    Unit { name: "request-of-10-objects", prepare: text::request },
    Unit { name: "yaml-of-10-objects", prepare: text::yaml },
    Unit { name: "pfx-to-pem", prepare: text::pfx },
    Unit { name: "pem-bundle-apart", prepare: text::bundle },
    Unit { name: "vault-10-secrets-cached", prepare: vault::cached },
    Unit { name: "vault-10-secrets-fetched", prepare: vault::fetched },
    Unit { name: "payload-of-10-files", prepare: volume::payload },
    Unit { name: "volume-published-and-unpublished", prepare: volume::published },
    Unit { name: "volume-replaced-unchanged", prepare: volume::unchanged },
    Unit { name: "volume-replaced-changed", prepare: volume::changed },
];

/// The unit of this name.
#[must_use]
pub fn unit(name: &str) -> Option<&'static Unit> {
    ALL.iter().find(|unit| unit.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of `volume` need rights that a test may not have; tests/stack does the same with them.
    #[test]
    fn units_can_be_repeated() {
        for unit in ALL.iter().filter(|unit| !unit.name.starts_with("volume-")) {
            let mut work = (unit.prepare)();
            (0..3).for_each(|_| work());
        }
    }
}
