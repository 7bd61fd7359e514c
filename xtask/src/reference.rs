//! The reference pages.

mod commands;
mod resources;

use std::fmt::Write as _;

use crate::generated::Generated;

pub(crate) fn files() -> anyhow::Result<Vec<Generated>> {
    let mut files = commands::manuals()?;
    files.extend(pages()?);
    Ok(files)
}

fn pages() -> anyhow::Result<Vec<Generated>> {
    Ok(vec![
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
            path: "docs/reference/provider-flags.md",
            content: page(
                "Flags of the Azure provider",
                "Go spelling: `-x`, `--x`, `--x=v`; switches need `=` for a value.",
                &keymount_daemon::flags::reference(keymount_azure::flags::TABLE),
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
            path: "docs/reference/provider-metrics.md",
            content: page(
                "Metrics of the Azure provider",
                "On `--prometheus-port` (8898) at `/metrics`, beside `process_*` and `target_info`.",
                &keymount_daemon::metrics::reference(keymount_azure::metrics::TABLE),
            ),
        },
        Generated {
            path: "docs/reference/parameters.md",
            content: page(
                "Parameters of an Azure class",
                "`spec.parameters` of a SecretProviderClass with `provider: azure`. All are strings; `\"true\"` and `\"false\"` need \
                 their quotes. A pod may overlay each with its volume's `volumeAttributes`. At most one of the `use…` parameters \
                 may be true.",
                &parameters(),
            ),
        },
        Generated {
            path: "docs/reference/custom-resources.md",
            content: page(
                "Custom resources",
                "Group `secrets-store.csi.x-k8s.io`, version `v1` (`v1alpha1` has the same fields).",
                &resources::tables()?,
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
        Generated { path: "crates/driver/src/page/remedies.tsv", content: remedies() },
    ])
}

fn page(title: &str, intro: &str, table: &str) -> String {
    format!("# {title}\n\nMade by `cargo xtask docs`; do not edit.\n\n{intro}\n\n{}", without_tags(table))
}

/// What stands in angle brackets outside of code would be a tag of HTML, and not be seen.
fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.starts_with("    ") {
            out.push_str(line);
            continue;
        }
        for (number, part) in line.split('`').enumerate() {
            if number > 0 {
                out.push('`');
            }
            out.push_str(&if number % 2 == 1 { part.to_owned() } else { part.replace('<', "&lt;") });
        }
    }
    out
}

fn parameters() -> String {
    let mut table = "| parameter | meaning |\n|---|---|\n".to_owned();
    for (name, meaning) in keymount_objects::PARAMETERS {
        let _ = writeln!(table, "| `{name}` | {meaning} |");
    }
    table
}

/// For the driver's status page: code, meaning and remedy of what it may show, by tabs.
fn remedies() -> String {
    let shown = keymount_catalogue::entries();
    let shown = shown.iter().filter(|entry| entry.area != keymount_catalogue::Area::Lint);
    let mut table = String::new();
    for entry in shown {
        let [meaning, remedy] = [entry.meaning, entry.remedy]
            .map(|text| keymount_catalogue::sentence(text).replace(['\n', '\t'], " ").replace('`', ""));
        let _ = writeln!(table, "{}\t{meaning}\t{remedy}", entry.code);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angle_brackets_are_seen_and_code_is_left_alone() {
        assert_eq!(without_tags("a <b> `<c>`\n    <d>\n| <e> |\n"), "a &lt;b> `<c>`\n    <d>\n| &lt;e> |\n");
    }
}
