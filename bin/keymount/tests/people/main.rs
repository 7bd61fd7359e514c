//! What people see of a cluster that is well, and of one that is not: the stack in this process with the emulator in Azure's place,
//! and `keymount` as people run it.

#![allow(missing_docs, reason = "a test")]

mod doctor;
mod misconfigured;
mod plugin;
mod scene;
mod status;
mod transcript;
mod verify;
