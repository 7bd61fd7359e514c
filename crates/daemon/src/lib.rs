//! What both daemons share: Go-style flags, klog-style logs, metrics and health servers, gRPC over
//! a unix socket, signals.
//!
//! A daemon's `main` goes through these modules in this order: [`flags`], [`log`], [`runtime`],
//! [`metrics`], [`grpc`], [`shutdown`].

pub mod build;
pub mod flags;
pub mod grpc;
pub mod hardening;
pub mod http;
pub mod log;
pub mod metrics;
pub mod program;
pub mod runtime;
pub mod seccomp;
pub mod shutdown;
