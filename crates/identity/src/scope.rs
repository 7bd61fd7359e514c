//! What a token is asked for.

/// A resource's default scope: `https://vault.azure.net/.default`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope(String);

const DEFAULT: &str = "/.default";

impl Scope {
    /// The default scope of a resource; a scope is taken as it is.
    #[must_use]
    pub fn of(resource: &str) -> Self {
        if resource.ends_with(DEFAULT) {
            Self(resource.to_owned())
        } else {
            Self(format!("{resource}{DEFAULT}"))
        }
    }

    /// As Entra wants it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the metadata services want it.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.0.strip_suffix(DEFAULT).unwrap_or(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_and_resource() {
        let scope = Scope::of("https://vault.azure.net");
        assert_eq!(scope.as_str(), "https://vault.azure.net/.default");
        assert_eq!(Scope::of(scope.as_str()), scope);
        assert_eq!(scope.resource(), "https://vault.azure.net");
    }
}
