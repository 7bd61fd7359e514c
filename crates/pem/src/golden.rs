//! Answers of Go's libraries, recorded by `tests/conformance/oracle`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// A case: an input, and Go's answer or error.
#[derive(Deserialize)]
pub(crate) struct Case {
    name: String,
    pub(crate) op: String,
    text: Option<String>,
    #[serde(default)]
    bytes: String,
    file: Option<String>,
    #[serde(default)]
    want: Value,
    error: Option<String>,
    /// Why our answer is another one on purpose, and which.
    differs: Option<String>,
    ours: Option<String>,
}

impl Case {
    pub(crate) fn input(&self) -> Vec<u8> {
        match (&self.text, &self.file) {
            (Some(text), _) => text.clone().into_bytes(),
            (_, Some(file)) => std::fs::read(directory().join(file)).expect("a fixture"),
            _ => STANDARD.decode(&self.bytes).expect("base64"),
        }
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A file of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(directory().join("../fixtures").join(name)).expect("a fixture")
}

/// Bytes as the oracle writes them.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}

/// Compares our answers with all cases of a file.
pub(crate) fn compare(file: &str, answer: impl Fn(&Case) -> Result<Value, String>) {
    let golden = std::fs::read_to_string(directory().join(file)).expect("a golden file");
    let mut wrong = Vec::new();
    for line in golden.lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let ours = answer(&case);
        let gos = case.error.clone().map_or_else(|| Ok(case.want.clone()), Err);
        let shown = match &ours {
            Ok(value) => value.to_string(),
            Err(text) => format!("error: {text}"),
        };
        let as_recorded = match &case.differs {
            Some(_) => ours != gos && case.ours.as_deref() == Some(&shown),
            None => ours == gos,
        };
        if !as_recorded {
            wrong.push(format!("{:?} .\n  Go:   {gos:?}\n  ours: {shown}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ from {file}:\n{}", wrong.len(), wrong.join("\n"));
}
