//! scratch
#![allow(missing_docs, clippy::all, unreachable_pub)]
use keymount_emulator::kubernetes::*;
#[tokio::main]
async fn main() {
    let mut tokens = std::collections::BTreeMap::new();
    tokens.insert("admin".to_owned(), User::admin());
    tokens.insert("nobody".to_owned(), User::new("test-nobody"));
    let rbac = std::env::args().nth(2).is_some();
    let s = ApiServer::start(Options {
        port: 26080,
        tokens,
        tls: rbac.then(|| std::sync::Arc::new(keymount_emulator::listener::tls::Ca::new().unwrap())),
        authorization: if rbac { Authorization::Rbac } else { Authorization::AllowAll },
        ..Options::default()
    })
    .await
    .unwrap();
    s.write_kubeconfig(std::path::Path::new(&std::env::args().nth(1).unwrap()), Some("admin")).unwrap();
    tokio::signal::ctrl_c().await.unwrap();
}
