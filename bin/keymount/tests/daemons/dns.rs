//! A name server that misbehaves, and what the provider makes of it, with the resolver of the system.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keymount_daemon::grpc::channel;
use keymount_emulator::DEFAULT_TENANT;
use keymount_mount_namespace::Namespace;
use keymount_proto::provider::MountRequest;
use keymount_proto::provider::csi_driver_provider_client::CsiDriverProviderClient;
use keymount_stack_tests::stack_test;
use serde_json::json;
use tokio::net::UdpSocket;
use tonic::Status;

use crate::azure::MACHINE;
use crate::place::Place;

/// Where the name server is.
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 11, 53), 53);

/// On the loopback, and nobody listens there.
const DEAD: Ipv4Addr = Ipv4Addr::new(127, 0, 11, 99);

/// Codes of answers (RFC 1035, 4.1.1).
const NO_ERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

/// What a name leads to: code, IPv4 addresses, IPv6 addresses. Chosen by the first label, and the number of the query.
fn answer(label: &str, query: usize) -> (u8, Vec<Ipv4Addr>, Vec<Ipv6Addr>) {
    let here = vec![Ipv4Addr::LOCALHOST];
    match label {
        // Fails until the third look, then is there.
        "recovers" if query < 3 => (SERVFAIL, vec![], vec![]),
        "recovers" => (NO_ERROR, here, vec![]),
        "broken" => (SERVFAIL, vec![], vec![]),
        "refused" => (REFUSED, vec![], vec![]),
        "absent" => (NXDOMAIN, vec![], vec![]),
        "empty" => (NO_ERROR, vec![], vec![]),
        // A private endpoint that comes and goes: the other address does not answer.
        "flaps" if query.is_multiple_of(2) => (NO_ERROR, vec![DEAD], vec![]),
        "flaps" => (NO_ERROR, here, vec![]),
        // The discard prefix (RFC 6666), and the true address.
        "blackhole" => (NO_ERROR, here, vec![Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1)]),
        // IPv6 alone, and it works.
        "six" => (NO_ERROR, vec![], vec![Ipv4Addr::LOCALHOST.to_ipv6_mapped()]),
        _ => (NXDOMAIN, vec![], vec![]),
    }
}

/// Serves until the test ends. Each kind of look-up counts its queries.
async fn serve(socket: UdpSocket, queries: Arc<[AtomicUsize; 2]>) {
    let mut buffer = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Some(reply) = reply(&buffer[..length], &queries) else { continue };
        let _ = socket.send_to(&reply, from).await;
    }
}

/// An answer to a query for A or AAAA records (RFC 1035, 4.1).
fn reply(query: &[u8], queries: &[AtomicUsize; 2]) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    while *query.get(at)? != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).into_owned());
        at += 1 + length;
    }
    let question = query.get(12..at + 5)?;
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let wants_six = match kind {
        1 => false,
        28 => true,
        _ => return None,
    };
    let number = queries[usize::from(wants_six)].fetch_add(1, Ordering::SeqCst);
    let (code, four, six) = answer(labels.first()?, number);
    let addresses: Vec<Vec<u8>> = if wants_six {
        six.iter().map(|address| address.octets().to_vec()).collect()
    } else {
        four.iter().map(|address| address.octets().to_vec()).collect()
    };
    let count = u8::try_from(addresses.len()).ok()?;
    let mut reply = query[..2].to_vec();
    // A response with recursion, one question, so many answers.
    reply.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    reply.extend(question);
    for address in addresses {
        // The question's name; kind, class IN, no time to live.
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 0, 0, u8::try_from(address.len()).ok()?]);
        reply.extend(address);
    }
    Some(reply)
}

async fn mount(place: &Place, vault: &str) -> Result<(), Status> {
    let attributes = json!({
        "keyvaultName": vault, "tenantId": DEFAULT_TENANT, "useVMManagedIdentity": "true",
        "userAssignedIdentityID": MACHINE, "objects": "array:\n  - |\n    objectName: s\n    objectType: secret\n",
        "csi.storage.k8s.io/pod.name": "web", "csi.storage.k8s.io/pod.namespace": "default",
        "csi.storage.k8s.io/serviceAccount.name": "default",
    });
    let mut provider = CsiDriverProviderClient::new(channel(&place.path("providers/azure.sock")));
    let request = MountRequest {
        attributes: attributes.to_string(),
        secrets: "{}".to_owned(),
        target_path: "/unused".to_owned(),
        permission: "420".to_owned(),
        current_object_version: Vec::new(),
    };
    let mut request = tonic::Request::new(request);
    request.set_timeout(std::time::Duration::from_secs(60));
    provider.mount(request).await.map(drop)
}

stack_test!(fault_11_names_that_fail_flap_or_lead_nowhere, |namespace| async move {
    if namespace == Namespace::User {
        println!("skipped: in a user namespace nobody serves port 53");
        return;
    }
    let queries: Arc<[AtomicUsize; 2]> = Arc::default();
    let socket = UdpSocket::bind(SERVER).await.expect("an address of the loopback");
    tokio::spawn(serve(socket, Arc::clone(&queries)));
    let place = Place::new().await;
    place.shadow("/etc/resolv.conf", &format!("nameserver {}\noptions timeout:1 attempts:1\n", SERVER.0));
    place.shadow("/etc/nsswitch.conf", "hosts: files dns\n");
    for vault in ["recovers", "broken", "refused", "absent", "empty", "flaps", "blackhole", "six"] {
        place.emulator.vault(vault).set_secret("s", "x").expect("a secret");
    }
    let _provider = place.start_provider(&["--object-cache-ttl=0s", "-v=5"]).await;
    // Each says which lookup failed, and whether the name is wrong or the server.
    for (vault, text) in [
        ("broken", "server misbehaving"),
        ("refused", "server misbehaving"),
        ("absent", "no such host"),
        ("empty", "no such host"),
    ] {
        let error = mount(&place, vault).await.expect_err(vault);
        let expected = format!("dial tcp: lookup {vault}.vault.keymount.test: {text}");
        assert!(error.message().contains(&expected), "{vault}: {error}");
    }
    // A vault that is there after all is found, by the same call or the next: no answer is kept.
    for vault in ["recovers", "flaps", "blackhole", "six"] {
        queries.iter().for_each(|count| count.store(0, Ordering::SeqCst));
        let mounted = match mount(&place, vault).await {
            Ok(()) => Ok(()),
            Err(first) => {
                println!("{vault}, at first: {first}");
                mount(&place, vault).await
            }
        };
        mounted.expect(vault);
        let asked = queries[0].load(Ordering::SeqCst);
        assert!(asked >= if vault == "recovers" { 4 } else { 1 }, "{vault}: asked {asked} times");
    }
});
