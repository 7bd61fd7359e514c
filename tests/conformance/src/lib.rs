//! Checks against clients and servers nobody here wrote. There is no code in this library; the checks are in
//! `tests/` (Azure SDK for Rust), `python/` (Azure SDK for Python) and `oracle/` (the Go provider).
