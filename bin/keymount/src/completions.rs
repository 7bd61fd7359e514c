//! `keymount completions`.

use std::io::Write as _;
use std::process::ExitCode;

use clap_complete::Shell;

/// Prints completions for a shell.
///
/// For bash: `keymount completions bash > /etc/bash_completion.d/keymount`; for zsh a file `_keymount` in the fpath; for fish
/// ~/.config/fish/completions/keymount.fish.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::command(), "keymount", &mut text);
    // Whoever reads this through a pipe may have seen enough.
    let _ = std::io::stdout().write_all(&text);
    ExitCode::SUCCESS
}
