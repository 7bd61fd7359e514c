//! secrets-store-csi-driver
fn main() {}
