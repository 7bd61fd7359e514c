//! The Secrets Store CSI node driver.

use std::process::ExitCode;

fn main() -> ExitCode {
    keymount_driver::program::main(std::env::args().skip(1))
}
