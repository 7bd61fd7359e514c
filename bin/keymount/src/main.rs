//! `keymount`: try, check and debug the Secrets Store CSI stack.

use std::process::ExitCode;

fn main() -> ExitCode {
    keymount::main(std::env::args_os())
}
