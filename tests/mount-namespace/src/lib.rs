//! mount-namespace
