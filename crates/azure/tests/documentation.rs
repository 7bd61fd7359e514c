//! The compatibility page names every flag and every metric.

use keymount_azure::{flags, metrics};

const PAGE: &str = include_str!("../../../docs/compatibility/azure-provider.md");

#[test]
fn every_flag_stands_on_the_compatibility_page() {
    for flag in flags::TABLE.iter().copied().flatten() {
        let row = format!("| `--{}` |", flag.name);
        let klog = format!("`-{}`", flag.name);
        assert!(PAGE.contains(&row) || PAGE.contains(&klog), "{}", flag.name);
    }
}

#[test]
fn every_metric_stands_on_the_compatibility_page() {
    for definition in metrics::TABLE {
        let labels =
            definition.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let row = format!("| `{}` | {labels} |", definition.name);
        assert!(PAGE.contains(&row), "{row}");
    }
}
