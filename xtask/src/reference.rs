//! The reference pages.

mod commands;

use crate::generated::Generated;

pub(crate) fn files() -> anyhow::Result<Vec<Generated>> {
    let mut files = commands::manuals()?;
    files.extend(pages());
    Ok(files)
}

fn pages() -> Vec<Generated> {
    vec![
        Generated {
            path: "docs/reference/commands.md",
            content: page(
                "Commands",
                "What `keymount COMMAND --help` says. `kubectl keymount COMMAND` is the same where the program, or a link to it, is called \
                 `kubectl-keymount` in the path. As manual pages: [man/](../man/).",
                &commands::reference(),
            ),
        },
        Generated {
            path: "docs/reference/driver-flags.md",
            content: page(
                "Flags of the driver",
                "Go spelling: `-x`, `--x`, `--x=v`; switches need `=` for a value.",
                &keymount_daemon::flags::reference(keymount_driver::flags::FLAGS),
            ),
        },
        Generated {
            path: "docs/reference/driver-metrics.md",
            content: page(
                "Metrics of the driver",
                "On `--metrics-addr` (`:8095`) at `/metrics`, beside `process_*` and `target_info`.",
                &keymount_daemon::metrics::reference(keymount_driver::metrics::TABLE),
            ),
        },
        Generated {
            path: "docs/reference/errors.md",
            content: page(
                "Errors",
                "Every code that events, conditions, error texts and `keymount lint` show. `keymount explain CODE` says the \
                 same on the command line. Codes and numbers stay what they are.",
                &keymount_catalogue::page(),
            ),
        },
    ]
}

fn page(title: &str, intro: &str, table: &str) -> String {
    format!("# {title}\n\nMade by `cargo xtask docs`; do not edit.\n\n{intro}\n\n{table}")
}
