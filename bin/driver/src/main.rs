//! The Secrets Store CSI node driver.

use std::process::ExitCode;

use dlmalloc::GlobalDlmalloc;
use zeroizing_alloc::ZeroAlloc;

/// What is freed is erased, whoever held it: buffers of HTTP, TLS and JSON libraries, too (docs/adr/0800-freed-memory-is-erased.md).
#[global_allocator]
static ALLOCATOR: ZeroAlloc<GlobalDlmalloc> = ZeroAlloc(GlobalDlmalloc);

fn main() -> ExitCode {
    keymount_driver::program::main(std::env::args().skip(1))
}
