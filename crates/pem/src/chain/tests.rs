use proptest::prelude::*;

use super::*;
use crate::golden::fixture;

fn pem(names: &[&str]) -> Vec<u8> {
    names.iter().flat_map(|name| fixture(&format!("certificates/{name}.pem"))).collect()
}

fn ordered(names: &[&str]) -> Result<(String, bool), ChainError> {
    let chain = order_chain(&pem(names))?;
    Ok((String::from_utf8(chain.pem.into_inner()).expect("PEM is text"), chain.complete))
}

fn expect(names: &[&str], complete: bool) -> Result<(String, bool), ChainError> {
    Ok((String::from_utf8(pem(names)).expect("PEM is text"), complete))
}

#[test]
fn all_orders_of_a_chain_become_one() {
    for leaf in ["leaf", "leaf-rsa", "leaf-noski", "leaf-issuer"] {
        let wanted = expect(&[leaf, "intermediate", "root"], true);
        for order in [
            [leaf, "intermediate", "root"],
            [leaf, "root", "intermediate"],
            ["intermediate", leaf, "root"],
            ["intermediate", "root", leaf],
            ["root", leaf, "intermediate"],
            ["root", "intermediate", leaf],
        ] {
            assert_eq!(ordered(&order), wanted, "{order:?}");
        }
    }
}

#[test]
fn what_is_no_chain_stays_as_it_is() {
    for names in [
        &["leaf", "root"][..],
        &["root", "leaf"],
        &["leaf-noaki", "intermediate", "root"],
        &["intermediate", "leaf-bare"],
        &["leaf", "leaf-rsa", "intermediate", "root"],
        &["v1", "leaf-bare"],
    ] {
        assert_eq!(ordered(names), expect(names, false), "{names:?}");
    }
    let spaced = [pem(&["leaf"]), b"\n".to_vec(), pem(&["root"])].concat();
    assert!(order_chain(&spaced).is_ok_and(|chain| chain.pem.expose() == &spaced && !chain.complete));
    assert_eq!(ordered(&["leaf"]), expect(&["leaf"], true));
    assert_eq!(ordered(&["v1"]), expect(&["v1"], true));
}

#[test]
fn impossible_chains_are_errors() {
    assert_eq!(ordered(&[]).err(), Some(ChainError::NoLeaf));
    assert_eq!(ordered(&["root", "root"]).err(), Some(ChainError::NoLeaf));
    assert_eq!(ordered(&["leaf", "intermediate", "root", "root"]).err(), Some(ChainError::Cycle));
    let garbage = b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    assert_eq!(order_chain(garbage).err(), Some(ChainError::Malformed(MalformedCertificate)));
}

/// Found by fuzzing: an encrypted key reads as a certificate without key identifiers.
#[test]
fn a_key_is_never_taken_for_a_certificate() {
    let outline = certificate(None, None);
    let mut pem = SecretBytes::default();
    crate::Block::new("ENCRYPTED PRIVATE KEY", outline.into()).encode(&mut pem);
    assert_eq!(order_chain(pem.expose()).err(), Some(ChainError::Malformed(MalformedCertificate)));
}

/// Certificates as far as the order looks at them: key identifiers of one byte.
fn certificate(authority: Option<u8>, subject: Option<u8>) -> Vec<u8> {
    let tlv = |tag: u8, content: Vec<u8>| {
        [vec![tag, u8::try_from(content.len()).expect("short")], content].concat()
    };
    let extension =
        |oid: u8, value: Vec<u8>| tlv(0x30, [vec![6, 3, 0x55, 0x1d, oid], tlv(4, value)].concat());
    let authority = authority.map(|id| extension(35, tlv(0x30, tlv(0x80, vec![id]))));
    let subject = subject.map(|id| extension(14, tlv(4, vec![id])));
    let extensions = [authority, subject].into_iter().flatten().flatten().collect();
    tlv(0x30, tlv(0x30, tlv(0xa3, tlv(0x30, extensions))))
}

#[test]
fn the_first_issuer_counts_and_absent_identifiers_never_match() {
    let certificates = [
        certificate(Some(2), Some(1)),
        certificate(None, None),
        certificate(None, Some(2)),
        certificate(Some(9), Some(2)),
    ];
    let certificates: Vec<_> = certificates.iter().map(Vec::as_slice).collect();
    assert_eq!(issuers(&certificates), Ok(vec![Some(2), None, None, None]));
    assert_eq!(order(&certificates), Ok(None));
    assert_eq!(order(&certificates[..1]), Ok(Some(vec![0])));
}

proptest! {
    #[test]
    fn order_does_not_depend_on_the_input(shuffled in Just((0_u8..12).collect::<Vec<_>>()).prop_shuffle()) {
        // Certificate n is issued by n + 1; the last one by itself.
        let chain: Vec<_> = shuffled.iter().map(|n| certificate(Some((n + 1).min(11)), Some(*n))).collect();
        let chain: Vec<_> = chain.iter().map(Vec::as_slice).collect();
        let order = order(&chain).expect("a chain").expect("complete");
        prop_assert_eq!(order.iter().map(|index| shuffled[*index]).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn never_panics(der in any::<Vec<u8>>()) {
        let _ = issuers(&[&der, &der]);
    }
}
