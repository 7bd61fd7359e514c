//! secrets-store-csi-driver-provider-azure
fn main() {}
