//! What the Azure provider does.

pub(crate) mod economy;
pub(crate) mod latency;
pub(crate) mod throughput;
pub(crate) mod trouble;
