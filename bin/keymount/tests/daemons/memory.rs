//! What the provider's process holds of secrets and tokens once their mounts are over, read from outside as a debugger of
//! the node's administrator would read it.

use std::collections::BTreeSet;
use std::time::Duration;

use keymount_daemon::grpc::channel;
use keymount_emulator::DEFAULT_TENANT;
use keymount_emulator::entra::{ClientSecret, Identity};
use keymount_mount_namespace::{Namespace, each_writable_range};
use keymount_proto::provider::csi_driver_provider_client::CsiDriverProviderClient;
use keymount_proto::provider::{MountRequest, MountResponse};
use keymount_stack_tests::stack_test;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tonic::Status;

use crate::azure::{APPLICATION, MACHINE, VAULT};
use crate::daemon::Daemon;
use crate::place::Place;

/// Mounts, each with a content, a client secret and a token of its own.
const MOUNTS: usize = 40;

/// Of how many mounts something of ours may be left: what a connection's buffer holds that is not freed yet. Without an
/// allocator that erases what is freed it is 6 client secrets and 16 tokens.
const MOST_LEFT: usize = 2;

/// Of how many mounts the vault's answer may be left in the read buffer of the connection to it, which lives on.
const MOST_ANSWERS: usize = 8;

/// Mounts of others that it may take until buffers of libraries are used again.
const MOST_OTHERS: usize = 400;

/// How long what is cached may take to be erased on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Marks, built at run time so that no constant of the program is what is found.
struct Marks(String);

impl Marks {
    fn new() -> Self {
        Self(format!("{:08x}", 0x5eed_0000_u64 + u64::from(std::process::id())))
    }

    /// The text that marks something of a kind in the n-th mount.
    fn mark(&self, kind: &str, number: usize) -> String {
        format!("{kind}-{}-{number:04}-canary", self.0)
    }

    /// Of which mounts a mark of this kind stands in these bytes.
    fn find(&self, kind: &Kind, bytes: &[u8], found: &mut BTreeSet<usize>) {
        let prefix = format!("{}-{}-", kind.mark, self.0);
        let (prefix, first) = (prefix.as_bytes(), prefix.as_bytes()[0]);
        let mut at = 0;
        while let Some(next) = bytes[at..].iter().position(|byte| *byte == first) {
            at += next;
            let number = bytes[at..].strip_prefix(prefix).and_then(|after| after.get(..4));
            let is_of_kind = bytes[..at].ends_with(ANSWER) == kind.in_answer;
            if let Some(number) = number.filter(|_| is_of_kind) {
                let number: Option<usize> =
                    std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
                found.extend(number.filter(|number| *number < MOUNTS));
            }
            at += 1;
        }
    }

    /// Of how many mounts each kind stands in the writable memory of a process.
    fn in_memory(&self, daemon: &Daemon) -> [usize; 4] {
        let mut found = KINDS.map(|_| BTreeSet::new());
        each_writable_range(daemon.id(), |bytes| {
            for (kind, found) in KINDS.iter().zip(&mut found) {
                self.find(kind, bytes, found);
            }
        });
        found.map(|numbers| numbers.len())
    }
}

/// What stands before a content in the answer of a vault.
const ANSWER: &[u8] = b"\"value\":\"";

/// What is looked for.
struct Kind {
    mark: &'static str,
    /// Within the answer of a vault as it came: the HTTP/2 library's buffer of a connection holds the newest of them,
    /// one behind the other, until it is full and used again.
    in_answer: bool,
}

const KINDS: [Kind; 4] = [
    Kind { mark: "content", in_answer: false },
    Kind { mark: "secret", in_answer: false },
    Kind { mark: "token", in_answer: false },
    Kind { mark: "content", in_answer: true },
];

/// What may be left of each kind.
const BOUNDS: [usize; 4] = [MOST_LEFT, MOST_LEFT, MOST_LEFT, MOST_ANSWERS];

fn within_bounds(left: [usize; 4]) -> bool {
    left.iter().zip(BOUNDS).all(|(left, most)| *left <= most)
}

/// What a mount of one object is asked with.
fn attributes(object: &str) -> Value {
    let objects = format!("array:\n  - |\n    objectName: {object}\n    objectType: secret\n");
    json!({
        "keyvaultName": VAULT, "tenantId": DEFAULT_TENANT, "objects": objects,
        "csi.storage.k8s.io/pod.name": "web", "csi.storage.k8s.io/pod.namespace": "default",
        "csi.storage.k8s.io/serviceAccount.name": "default",
    })
}

async fn ask(place: &Place, attributes: &Value, secrets: &Value) -> Result<MountResponse, Status> {
    let mut provider = CsiDriverProviderClient::new(channel(&place.path("providers/azure.sock")));
    let request = MountRequest {
        attributes: attributes.to_string(),
        secrets: secrets.to_string(),
        target_path: "/unused".to_owned(),
        permission: "420".to_owned(),
        current_object_version: Vec::new(),
    };
    provider.mount(request).await.map(tonic::Response::into_inner)
}

/// One mount with a client secret, and one with a token of a service account.
async fn mount(place: &Place, marks: &Marks, number: usize) {
    let mut attributes = attributes(&format!("s-{number}"));
    let secret = json!({"clientid": "principal", "clientsecret": marks.mark("secret", number)});
    let reply = ask(place, &attributes, &secret).await.expect("a mount");
    assert_eq!(reply.files[0].contents, marks.mark("content", number).as_bytes());
    // A token that no issuer accepts: it comes in, is sent, and is refused.
    let token = format!("eyJhbGciOiJSUzI1NiJ9.e30.{}", marks.mark("token", number));
    let tokens = json!({"api://AzureADTokenExchange": {
        "token": token, "expirationTimestamp": "2099-01-01T00:00:00Z",
    }});
    attributes["clientID"] = APPLICATION.into();
    attributes["csi.storage.k8s.io/serviceAccount.tokens"] = tokens.to_string().into();
    ask(place, &attributes, &json!({})).await.expect_err("a forged token");
}

/// A mount of the machine's own identity, of what is no secret here.
async fn read_other(place: &Place, number: usize) {
    let mut attributes = attributes(&format!("other-{number}"));
    attributes["useVMManagedIdentity"] = "true".into();
    attributes["userAssignedIdentityID"] = MACHINE.into();
    ask(place, &attributes, &json!({})).await.expect("a mount");
}

stack_test!(fault_29_what_the_provider_has_served_is_not_in_its_memory, |namespace| async move {
    if namespace == Namespace::User {
        println!("skipped: in a user namespace nobody reads the memory of a process that cannot be dumped");
        return;
    }
    let (place, marks) = (Place::new().await, Marks::new());
    let secrets =
        (0..MOUNTS).map(|number| ClientSecret { value: marks.mark("secret", number).into(), expires: None });
    place
        .emulator
        .directory()
        .add(Identity { secrets: secrets.collect(), ..Identity::with_secret("principal", "x") });
    for number in 0..MOUNTS {
        place.vault().set_secret(&format!("s-{number}"), &marks.mark("content", number)).expect("a secret");
    }
    for number in 0..MOST_OTHERS {
        place.vault().set_secret(&format!("other-{number}"), "nothing in particular").expect("a secret");
    }
    let provider = place.start_provider(&["--object-cache-ttl=2s", "-v=10"]).await;
    let began = Instant::now();
    for number in 0..MOUNTS {
        mount(&place, &marks, number).await;
    }
    let served = marks.in_memory(&provider);
    if began.elapsed() < Duration::from_secs(2) {
        assert_eq!(served[0], MOUNTS, "cached, and found by this search");
    }
    assert!(served[0] > 0, "found by this search: {served:?}");
    // What is cached is erased when it no longer counts; nothing tells of that outside.
    let end = Instant::now() + PATIENCE;
    let expired = loop {
        let left = marks.in_memory(&provider);
        if left[0] <= MOST_LEFT || Instant::now() > end {
            break left;
        }
        sleep(Duration::from_millis(500)).await;
    };
    // Other mounts, as on any node: buffers are used again.
    let mut others = 0;
    let left = loop {
        for _ in 0..20 {
            read_other(&place, others).await;
            others += 1;
        }
        let left = marks.in_memory(&provider);
        if within_bounds(left) || others >= MOST_OTHERS {
            break left;
        }
    };
    println!(
        "of {MOUNTS} mounts in memory: contents, client secrets, tokens, answers of the vault: at first {served:?}, \
         expired {expired:?}, after {others} other mounts {left:?}"
    );
    for what in ["environ", "cmdline"] {
        let bytes = std::fs::read(provider.proc().join(what)).expect("a process");
        let mut found = BTreeSet::new();
        KINDS.iter().for_each(|kind| marks.find(kind, &bytes, &mut found));
        assert!(found.is_empty() && !bytes.is_empty(), "{what}");
    }
    let log: String = provider.log().lines.into_iter().collect();
    assert!(log.len() > 1000 && !log.contains("-canary"), "{log}");
    assert!(expired[0] <= MOST_LEFT, "{expired:?} of {MOUNTS}");
    assert!(within_bounds(left), "{left:?} of {MOUNTS}");
});
