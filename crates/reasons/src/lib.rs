//! Numbers of the codes that errors, conditions, events and logs show.
//!
//! A code is a word in CamelCase, such as `TenantMissing`, and a number, such as KM0107, by which people find it. Both stay what they are: a
//! number is never given to another code, and a new code takes the next one of its area. What they mean stands in the catalogue.

use std::fmt;

/// Number of a code; `Display` is `KM0107`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(u16);

impl Number {
    /// The number as such; its hundreds are the area.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KM{:04}", self.0)
    }
}

/// The number of a code.
#[must_use]
pub fn number(code: &str) -> Option<Number> {
    TABLE.iter().find(|(_, known)| *known == code).map(|(number, _)| Number(*number))
}

/// `TenantMissing (KM0107)`; a code that has no number, such as another provider's, stands alone.
#[must_use]
pub fn numbered(code: &str) -> String {
    number(code).map_or_else(|| code.to_owned(), |number| format!("{code} ({number})"))
}

/// All codes with their numbers, in order.
pub fn all() -> impl Iterator<Item = (Number, &'static str)> {
    TABLE.iter().map(|(number, code)| (Number(*number), *code))
}

const TABLE: &[(u16, &str)] = &[
    // The class.
    (101, "MalformedRequest"),
    (102, "PodUnknown"),
    (103, "InvalidFlag"),
    (104, "IdentityModeConflict"),
    (105, "VaultNameMissing"),
    (106, "InvalidVaultName"),
    (107, "TenantMissing"),
    (108, "ObjectsMissing"),
    (109, "InvalidYaml"),
    (110, "WrongYamlType"),
    (111, "LimitExceeded"),
    (112, "InvalidObjectFormat"),
    (113, "InvalidObjectEncoding"),
    (114, "InvalidFileName"),
    (115, "InvalidFilePermission"),
    (116, "FileConflict"),
    (117, "UnknownVersion"),
    (118, "ContradictingFields"),
    (119, "InvalidSelector"),
    (120, "InvalidJsonPath"),
    (121, "InvalidPemPart"),
    // Cloud and credential.
    (201, "CloudUnknown"),
    (202, "CloudFileUnusable"),
    (203, "CredentialMissing"),
    (204, "CredentialUnusable"),
    (205, "TokenProxyUnavailable"),
    // Tokens.
    (301, "TokenFederationMissing"),
    (302, "TokenAssertionExpired"),
    (303, "TokenApplicationNotFound"),
    (304, "TokenTenantNotFound"),
    (305, "TokenSecretInvalid"),
    (306, "TokenSecretExpired"),
    (307, "TokenIdentityNotAssigned"),
    (308, "TokenThrottled"),
    (309, "TokenIssuerUnavailable"),
    (310, "TokenRefused"),
    (311, "TokenIssuerNotResolved"),
    (312, "TokenIssuerUnreachable"),
    (313, "TokenIssuerUntrusted"),
    (314, "TokenProxyFailed"),
    (315, "TokenIssuerTimeout"),
    (316, "TokenMalformed"),
    (317, "TokenArcAgentFailed"),
    // The vault.
    (401, "VaultUnauthorized"),
    (402, "VaultWrongTenant"),
    (403, "VaultForbiddenByPolicy"),
    (404, "VaultForbiddenByRbac"),
    (405, "VaultForbiddenByFirewall"),
    (406, "VaultForbiddenByConnection"),
    (407, "ObjectDisabled"),
    (408, "VaultForbidden"),
    (409, "ObjectNotFound"),
    (410, "VaultBadRequest"),
    (411, "VaultThrottled"),
    (412, "VaultServerError"),
    (413, "VaultRedirected"),
    (414, "VaultUnexpectedStatus"),
    (415, "VaultNotResolved"),
    (416, "VaultUnreachable"),
    (417, "VaultUntrusted"),
    (418, "VaultProxyFailed"),
    (419, "VaultTimeout"),
    (420, "VaultMalformedAnswer"),
    (421, "VaultSuspiciousAnswer"),
    (422, "InvalidObjectName"),
    (423, "VaultCrowded"),
    // Content.
    (501, "InvalidObjectType"),
    (502, "NothingSelected"),
    (503, "TooManySelected"),
    (504, "ContentUnusable"),
    (505, "EncodingMismatch"),
    (506, "VolumeTooLarge"),
    // Mounts and rotations.
    (601, "RequestInvalid"),
    (602, "ClassInvalid"),
    (603, "ClassNotReadable"),
    (604, "PodInfoMissing"),
    (605, "CsiDriverNotReadable"),
    (606, "TokensExpired"),
    (607, "ProviderNotFound"),
    (608, "ProviderUnavailable"),
    (609, "ProviderTimeout"),
    (610, "ProviderError"),
    (611, "FilesRefused"),
    (612, "MountedBytesBudgetExceeded"),
    (613, "VolumeNotWritten"),
    (614, "Cancelled"),
    (615, "Retrying"),
    (616, "PodNotReadable"),
    (617, "NodePublishSecretNotReadable"),
    (618, "TokenNotCreated"),
    // Synced Secrets.
    (701, "FilesNotReadable"),
    (702, "SecretObjectInvalid"),
    (703, "SecretDataMissing"),
    (704, "SecretTooLarge"),
    (705, "SecretNotManaged"),
    (706, "SecretOfAnotherClass"),
    (707, "SecretTypeImmutable"),
    (708, "SecretImmutable"),
    (709, "SecretForbidden"),
    (710, "SecretRefused"),
    (711, "ApiUnreachable"),
    (712, "SecretContended"),
    // keymount lint only.
    (801, "FileInvalidYaml"),
    (802, "DeprecatedVersion"),
    (803, "UnknownVersionOfApi"),
    (804, "InvalidName"),
    (805, "UnknownField"),
    (806, "ProviderNotSet"),
    (807, "ProviderInvalid"),
    (808, "ParametersNotSet"),
    (809, "ParameterNotString"),
    (810, "UnknownParameter"),
    (811, "UnknownObjectField"),
    (812, "TenantNotGuid"),
    (813, "PodIdentityDeprecated"),
    (814, "UserAssignedIdentityUnused"),
    (815, "ClientIdUnused"),
    (816, "ClientIdIsTenant"),
    (817, "ClientIdNotGuid"),
    (818, "ClientIdOfAnotherAccount"),
    (819, "CertificateHasNoKey"),
    (820, "SecretKeysMissing"),
    (821, "UnusualSecretType"),
    (822, "SecretTwice"),
    (823, "ClassTwice"),
    (824, "ClassNotSet"),
    (825, "ClassInOtherNamespace"),
    (826, "ClassNotFound"),
    (827, "VolumeNotReadOnly"),
    (828, "SubPathNotUpdated"),
    (829, "SecretOfUnmountedClass"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_and_codes_are_unique_and_in_order() {
        assert!(TABLE.is_sorted_by(|one, next| one.0 < next.0));
        assert_eq!(TABLE.iter().map(|(_, code)| code).collect::<BTreeSet<_>>().len(), TABLE.len());
    }

    #[test]
    fn codes_are_shown_with_their_numbers() {
        assert_eq!(numbered("TenantMissing"), "TenantMissing (KM0107)");
        assert_eq!(numbered("AnotherProviders"), "AnotherProviders");
    }
}
