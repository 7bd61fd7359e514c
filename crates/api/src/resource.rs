//! `kube::Resource` and the type fields of the two kinds. Derived code would give them a status subresource, which the
//! Go driver's definitions do not have.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::{GROUP, SecretProviderClass, SecretProviderClassPodStatus, VERSION};

macro_rules! namespaced_resource {
    ($kind:ident, $plural:literal, $body:ident) => {
        impl Resource for $kind {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;

            fn kind((): &()) -> Cow<'_, str> {
                stringify!($kind).into()
            }
            fn group((): &()) -> Cow<'_, str> {
                GROUP.into()
            }
            fn version((): &()) -> Cow<'_, str> {
                VERSION.into()
            }
            fn api_version((): &()) -> Cow<'_, str> {
                API_VERSION.into()
            }
            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut object = serializer.serialize_struct(stringify!($kind), 4)?;
                object.serialize_field("apiVersion", API_VERSION)?;
                object.serialize_field("kind", stringify!($kind))?;
                object.serialize_field("metadata", &self.metadata)?;
                object.serialize_field(stringify!($body), &self.$body)?;
                object.end()
            }
        }
    };
}

/// `apiVersion` of both kinds.
const API_VERSION: &str = "secrets-store.csi.x-k8s.io/v1";

namespaced_resource!(SecretProviderClass, "secretproviderclasses", spec);
namespaced_resource!(SecretProviderClassPodStatus, "secretproviderclasspodstatuses", status);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_those_of_the_go_driver() {
        assert_eq!(
            SecretProviderClass::url_path(&(), Some("default")),
            "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses"
        );
        assert_eq!(
            SecretProviderClassPodStatus::url_path(&(), None),
            "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasspodstatuses"
        );
        assert_eq!(SecretProviderClass::api_version(&()), format!("{GROUP}/{VERSION}"));
    }
}
