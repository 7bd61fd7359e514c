//! `keymount`: try, check and debug the Secrets Store CSI stack.

use std::process::ExitCode;

use dlmalloc::GlobalDlmalloc;
use zeroizing_alloc::ZeroAlloc;

/// As in the daemons, which this program can be: docs/adr/0800-freed-memory-is-erased.md.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<GlobalDlmalloc> = ZeroAlloc(GlobalDlmalloc);

fn main() -> ExitCode {
    keymount::main(std::env::args_os())
}
