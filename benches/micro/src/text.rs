//! Text and bytes in, values out.

use std::hint::black_box;

use keymount_objects::{Attributes, Limits, Parameters, parse_objects};
use keymount_pem::{PfxOptions, pfx_to_pem, tls_certificate, tls_private_key};
use serde_json::json;

use crate::Work;

/// RSA of 2,048 bits, a certificate that signs itself, no password, 3DES and RC2 as Key Vault writes it.
const PFX: &str = include_str!("../../src/rows/provider/pfx.base64");

const PERMISSION: u32 = 0o644;

fn objects() -> String {
    let item = |number| format!("  - |\n    objectName: s-{number}\n    objectType: secret\n");
    format!("array:\n{}", (0..10).map(item).collect::<String>())
}

/// The YAML in YAML of a class.
pub(crate) fn yaml() -> Work {
    let text = objects();
    Box::new(move || {
        let objects = parse_objects(black_box(text.trim()), PERMISSION, Limits::default()).expect("objects");
        assert_eq!(objects.len(), 10);
    })
}

/// All that a provider reads of a request before it asks anybody.
pub(crate) fn request() -> Work {
    let attributes = json!({
        "csi.storage.k8s.io/pod.name": "web-0",
        "csi.storage.k8s.io/pod.namespace": "shop",
        "csi.storage.k8s.io/pod.uid": "7e9a0000-0000-4000-8000-000000000002",
        "csi.storage.k8s.io/serviceAccount.name": "web",
        "keyvaultName": "kv",
        "tenantId": "7e9a0000-0000-4000-8000-000000000001",
        "usePodIdentity": "false",
        "objects": objects(),
    });
    let attributes = attributes.to_string();
    Box::new(move || {
        let attributes = Attributes::decode(black_box(&attributes)).expect("attributes");
        let parameters = Parameters::from_attributes(&attributes).expect("parameters");
        let objects = parse_objects(&parameters.objects, PERMISSION, Limits::default()).expect("objects");
        assert_eq!(objects.len(), 10);
    })
}

/// A certificate with its key, as Key Vault keeps it.
pub(crate) fn pfx() -> Work {
    Box::new(|| {
        let pem =
            pfx_to_pem(black_box(PFX.trim()), &PfxOptions::default()).map_err(|error| error.to_string());
        assert!(pem.expect("PEM").chain_complete);
    })
}

/// Key and certificate of a PEM bundle, as a synced Secret of type TLS has them.
pub(crate) fn bundle() -> Work {
    let pem = pfx_to_pem(PFX.trim(), &PfxOptions::default()).map_err(|error| error.to_string()).expect("PEM");
    Box::new(move || {
        let bundle = black_box(pem.pem.expose());
        let certificate = tls_certificate(bundle).map_err(|error| error.to_string());
        let key = tls_private_key(bundle).map_err(|error| error.to_string());
        assert!(
            !certificate.expect("a certificate").expose().is_empty()
                && !key.expect("a key").expose().is_empty()
        );
    })
}
