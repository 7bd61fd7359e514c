//! What authors of classes and pods write.

use std::path::{Component, Path};

use keymount_objects::{
    Attributes, Limits, Parameters, PublishSecrets, decode_permission, fuzzing, parse_objects,
};

/// A path that a tenant chose and that was accepted stays below the volume.
pub(crate) fn assert_harmless(path: &str) {
    let inside = |component: Component<'_>| matches!(component, Component::Normal(_));
    assert!(!path.is_empty() && !path.contains('\0'), "{path:?}");
    assert!(Path::new(path).components().all(inside), "{path:?}");
}

/// `objects`, whole; and both of its shapes as Go reads them.
pub(crate) fn yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = (fuzzing::yaml_array(text), fuzzing::yaml_object(text));
    let Ok(objects) = parse_objects(text.trim(), 0o644, Limits::default()) else { return };
    for object in &objects {
        object.file_names().into_iter().for_each(assert_harmless);
        // As the Go provider: what the kernel takes as a mode.
        assert!(u32::try_from(object.mode).is_ok_and(|mode| mode <= 0o7777), "{:o}", object.mode);
    }
}

/// The three JSON texts of a mount request.
pub(crate) fn parameters(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(mode) = decode_permission(text) {
        assert!(text.trim() == "null" || text.trim().parse() == Ok(mode), "{text:?} is {mode}");
    }
    let _ = PublishSecrets::decode(text);
    let Ok(attributes) = Attributes::decode(text) else { return };
    // Read as another library reads it.
    let others: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    for (key, value) in others.as_object().into_iter().flatten() {
        assert_eq!(attributes.get(key), value.as_str().unwrap_or_default().trim(), "{key:?}");
    }
    if let Err(error) = Parameters::from_attributes(&attributes) {
        assert!(!error.text().is_empty());
    }
}
