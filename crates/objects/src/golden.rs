//! Answers of Go's parsers, recorded by `tests/conformance/oracle`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// A case: an input, and Go's answer or error.
#[derive(Deserialize)]
pub(crate) struct Case {
    name: String,
    pub(crate) op: String,
    pub(crate) text: String,
    #[serde(default)]
    want: Value,
    error: Option<String>,
    /// Why our answer is another one on purpose, and which.
    differs: Option<String>,
    ours: Option<String>,
}

/// Compares our answers with all cases of a file.
pub(crate) fn compare(file: &str, answer: impl Fn(&Case) -> Result<Value, String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let golden = std::fs::read_to_string(path).expect("a golden file");
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
            wrong.push(format!("{:?} {:?}\n  Go:   {gos:?}\n  ours: {shown}", case.name, case.text));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ from {file}:\n{}", wrong.len(), wrong.join("\n"));
}
