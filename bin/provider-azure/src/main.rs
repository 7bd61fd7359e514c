//! The Azure Key Vault provider of the Secrets Store CSI stack.

use std::process::ExitCode;

use dlmalloc::GlobalDlmalloc;
use zeroizing_alloc::ZeroAlloc;

/// What is freed is erased, whoever held it: buffers of HTTP, TLS and JSON libraries, too (docs/adr/0800-freed-memory-is-erased.md).
#[global_allocator]
static ALLOCATOR: ZeroAlloc<GlobalDlmalloc> = ZeroAlloc(GlobalDlmalloc);

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads this process's environment")]
    let environment = |name: &str| std::env::var(name).ok();
    keymount_azure::program::main(std::env::args().skip(1), environment)
}
