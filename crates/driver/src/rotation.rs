//! Rotation: fetching the content of mounted volumes again.
//!
//! Every volume is due at its last success plus the interval, give or take a tenth. When one is due, all
//! volumes of the same class and service account that are nearly due go with it, so that the provider
//! answers all of them from one fetch. The interval is kept on the monotonic clock and in memory, never
//! in the times of files: how often kubelet calls changes nothing about it (invariant I3).

mod attempt;
mod failure;
mod interval;
mod reconciler;
mod refresh;

pub(crate) use failure::RotationError;
pub(crate) use interval::Intervals;
pub(crate) use reconciler::run;
pub(crate) use refresh::RefreshLimits;
