//! A node from kubelet's side: what it answers, what it leaves on disk, what it asks of provider and API.

mod answers;
mod api;
mod certificates;
mod faults;
mod flags;
mod interleavings;
mod leaks;
mod metrics;
mod minting;
mod nodes;
mod ownership;
mod page;
mod pods;
mod providers;
mod publish;
mod races;
mod rotation;
mod scale;
mod secrets;
mod services;
mod startup_taint;
mod status;
mod takeover;
mod tokens;
