//! The rows of the table: one unit of work each.

mod driver;
mod provider;

use std::pin::Pin;

use crate::figure::Figure;
use crate::subject::{Needs, Subject};

type Measured<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Vec<Figure>>> + 'a>>;

/// How much work a row does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// In hundredths of the usual number of operations.
    pub(crate) percent: usize,
}

impl Effort {
    /// So many operations, or fewer, but not none.
    pub(crate) fn of(self, usual: usize) -> usize {
        (usual * self.percent / 100).max(1)
    }
}

/// A unit of work.
pub(crate) struct Row {
    /// How it is chosen.
    pub(crate) name: &'static str,
    /// What is done.
    pub(crate) work: &'static str,
    /// The program it is about.
    pub(crate) needs: Needs,
    /// Does it.
    pub(crate) run: for<'a> fn(&'a Subject, Effort) -> Measured<'a>,
}

macro_rules! rows {
    ($($needs:ident $module:ident::$file:ident::$function:ident $name:literal $work:literal)+) => {
        /// All rows, in the order of the table.
        pub(crate) const ALL: &[Row] = &[$(Row {
            name: $name,
            work: $work,
            needs: Needs::$needs,
            run: |subject, effort| Box::pin($module::$file::$function(subject, effort)),
        }),+];
    };
}

rows! {
    Provider provider::latency::one_caller "mount-latency" "provider Mount of 1, 10, 50 secrets, vault 20 ms away, token warm"
    Provider provider::latency::processor "mount-cpu" "provider, 10 secrets, vault 0 ms away, one caller"
    Provider provider::throughput::at_once "mount-throughput" "provider, 10 secrets, vault 0 ms away, 16 and 64 callers"
    Provider provider::throughput::far "mount-throughput-far" "provider, 10 secrets, vault 20 ms away, 64 callers"
    Provider provider::economy::equal_pods "equal-pods" "100 equal pods of a node, 4 secrets, one interval"
    Provider provider::latency::pfx "pfx" "PFX with an RSA certificate to PEM"
    Provider provider::trouble::throttled "throttled" "one in ten vault requests answers 429 (Retry-After 1), 10 secrets, 4 callers"
    Provider provider::trouble::failing_logins "failing-logins" "5,000 failing logins"
    Provider provider::economy::memory "provider-memory" "provider: idle, after 2,000 mounts, 64 callers"
    Provider provider::economy::start "provider-start" "provider: start and program"
    Driver driver::publish::one_caller "publish" "publish of 10 files, one caller"
    Driver driver::publish::many_callers "publish-throughput" "publish of 10 files, 16 and 64 callers"
    Driver driver::publish::unpublish "unpublish" "unpublish, one caller and 64"
    Driver driver::rotation::changed "rotation-changed" "rotation of 500 volumes, content changed"
    Driver driver::rotation::unchanged "rotation-unchanged" "rotation of 500 volumes, content unchanged"
    Driver driver::rotation::shared_secret "shared-secret" "100 pods that share one synced Secret, one rotation"
    Driver driver::publish::republish "republish" "publish of a volume that is mounted and not due"
    Driver driver::memory::volumes "driver-memory" "driver: 600 pods on the node, 500 volumes"
    Driver driver::memory::large_cluster "large-cluster" "driver: 10,000 classes and 5,000 Secrets of others"
    Driver driver::limit::large_replies "memory-limit" "driver in 200 MiB: 64 replies of 4 MiB at a time, until the budget is used up"
    Driver driver::memory::start "driver-start" "driver: start and program"
}
