//! The program as a manifest starts it: flags, exit codes, logs, signals, the way to the Kubernetes API.

mod arguments;
mod connection;
mod crashes;
mod limits;
mod logs;
mod program;
mod signals;
