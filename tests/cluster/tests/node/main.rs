//! The driver under a real kubelet. What counts is what containers see.

mod crashes;
