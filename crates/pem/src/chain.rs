//! Certificates in the order servers want: leaf, intermediates, root.

use keymount_sensitive::SecretBytes;
use thiserror::Error;

use crate::block::{Blocks, encode_plain};
use crate::certificate::{KeyIds, LABEL, MalformedCertificate};

/// A chain that cannot be put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChainError {
    /// Every certificate has issued another one, or there is none.
    #[error("no leaf found")]
    NoLeaf,
    /// The issuers go round in a circle, as with the same root twice.
    #[error("constructing chain resulted in cycle")]
    Cycle,
    /// Something is not a certificate.
    #[error(transparent)]
    Malformed(#[from] MalformedCertificate),
}

/// Certificates after an attempt to put them in order.
pub struct Chain {
    /// The certificates, as PEM.
    pub pem: SecretBytes,
    /// False when issuers are missing, or there are other certificates as well: then the order, and
    /// every byte, is that of the input.
    pub complete: bool,
}

/// Orders the certificates of a PEM text from the leaf to the root, by their key identifiers.
///
/// # Errors
/// [`ChainError`]; also for blocks that are no certificates.
pub fn order_chain(pem: &[u8]) -> Result<Chain, ChainError> {
    let blocks: Vec<_> = Blocks::new(pem).collect();
    // Some keys have the outline of a certificate, and must not leave here labelled as one.
    if blocks.iter().any(|block| block.label != LABEL) {
        return Err(MalformedCertificate.into());
    }
    let certificates: Vec<_> = blocks.into_iter().map(|block| block.bytes).collect();
    let certificates: Vec<_> = certificates.iter().map(|der| der.expose().as_slice()).collect();
    Ok(match order(&certificates)? {
        Some(order) => {
            let mut ordered = SecretBytes::default();
            order.iter().for_each(|index| encode_plain(LABEL, certificates[*index], &mut ordered));
            Chain { pem: ordered, complete: true }
        }
        None => Chain { pem: pem.to_vec().into(), complete: false },
    })
}

/// The order, as indices; none if the chain does not take in all certificates.
pub(crate) fn order(certificates: &[&[u8]]) -> Result<Option<Vec<usize>>, ChainError> {
    let issuers = issuers(certificates)?;
    let is_issuer = |index: usize| issuers.contains(&Some(index));
    let leaf = (0..certificates.len()).find(|index| !is_issuer(*index)).ok_or(ChainError::NoLeaf)?;
    let mut order = Vec::with_capacity(certificates.len());
    let mut next = Some(leaf);
    while let Some(index) = next {
        if order.len() == certificates.len() {
            return Err(ChainError::Cycle);
        }
        order.push(index);
        next = issuers[index];
    }
    Ok((order.len() == certificates.len()).then_some(order))
}

/// For each certificate the first other one that issued it.
pub(crate) fn issuers(certificates: &[&[u8]]) -> Result<Vec<Option<usize>>, MalformedCertificate> {
    let ids: Vec<_> = certificates.iter().map(|der| KeyIds::of(der)).collect::<Result<_, _>>()?;
    let issuer = |(index, own): (usize, &KeyIds<'_>)| {
        ids.iter().enumerate().position(|(other, issuer)| other != index && own.names(issuer))
    };
    Ok(ids.iter().enumerate().map(issuer).collect())
}

#[cfg(test)]
mod tests;
