//! keymount
fn main() {}
