//! The Azure Key Vault provider of the Secrets Store CSI stack.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads this process's environment")]
    let environment = |name: &str| std::env::var(name).ok();
    keymount_azure::program::main(std::env::args().skip(1), environment)
}
