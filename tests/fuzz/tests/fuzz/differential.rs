//! Mutated inputs, answered by us and by Go (`tests/conformance/oracle`) or OpenSSL: what is accepted there is accepted
//! here, and means the same.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keymount_objects::fuzzing::{yaml_array, yaml_object};
use keymount_pem::{Blocks, PfxOptions, decode_base64, decode_hex, pfx_to_pem};
use serde_json::{Value, json};

use crate::mutation::Mutator;
use crate::{executions, seeds_of};

/// An operation of the oracle, the target whose seeds it takes, and our answer; none if a difference is known there.
type Operation = (&'static str, &'static str, fn(&[u8]) -> Option<Result<Value, String>>);

const OPERATIONS: [Operation; 5] = [
    ("yaml-array", "objects_yaml", |input| {
        readable_yaml(input).map(|text| yaml_array(text).map(Value::from))
    }),
    ("yaml-object", "objects_yaml", |input| {
        readable_yaml(input).map(|text| {
            yaml_object(text)
                .map(|(texts, number)| texts.into_iter().map(Value::from).chain([json!(number)]).collect())
        })
    }),
    ("pem", "pem", |input| Some(Ok(pem(input)))),
    ("base64", "pem", |input| Some(bytes(decode_base64(input).map_err(|error| error.to_string())))),
    ("hex", "pem", |input| Some(bytes(decode_hex(input).map_err(|error| error.to_string())))),
];

/// Text without what the documentation of `keymount_objects` names as read differently, wider than need be: it is
/// the rest that must be the same.
fn readable_yaml(input: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(input).ok()?;
    let differs = [
        "\\/", "\\u", "\\U", "\t", "%", "\u{85}", "\u{2028}", "\u{2029}", "0b", "0B", "0o", "0O", "<<",
        "...", "---", "\u{feff}", "\r",
    ];
    // Tags and anchors of odd characters.
    let odd = |part: &str| text.contains(part);
    (!differs.into_iter().chain(["!", "&"]).any(odd)).then_some(text)
}

fn bytes(decoded: Result<keymount_sensitive::SecretBytes, String>) -> Result<Value, String> {
    decoded.map(|bytes| STANDARD.encode(bytes.expose()).into())
}

/// What the oracle says of a PEM text.
fn pem(input: &[u8]) -> Value {
    let mut blocks = Blocks::new(input);
    let mut found = Vec::new();
    for block in blocks.by_ref() {
        let mut encoded = keymount_sensitive::SecretBytes::default();
        block.encode(&mut encoded);
        found.push(json!({
            "type": block.label, "headers": block.headers, "bytes": STANDARD.encode(block.bytes.expose()),
            "encoded": String::from_utf8_lossy(encoded.expose()),
        }));
    }
    json!({"blocks": found, "rest": STANDARD.encode(blocks.rest())})
}

#[test]
#[ignore = "needs Go: .ci/run fuzz"]
fn what_go_accepts_is_accepted_and_means_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("cases.jsonl");
    let mut cases: Vec<(&str, Vec<u8>, Result<Value, String>)> = Vec::new();
    for (operation, target, answer) in OPERATIONS {
        let mut mutator = Mutator::new(seeds_of(target));
        let inputs = std::iter::repeat_with(|| mutator.next());
        let answered = inputs.filter_map(|input| answer(&input).map(|ours| (operation, input, ours)));
        cases.extend(answered.take(executions()));
    }
    let mut lines = std::fs::File::create(&file).expect("a file");
    for (number, (operation, input, _)) in cases.iter().enumerate() {
        let case = json!({"name": number.to_string(), "op": operation, "bytes": STANDARD.encode(input)});
        writeln!(lines, "{case}").expect("a line");
    }
    drop(lines);
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/oracle");
    let ran = Command::new("go").args(["run", "."]).arg(&file).current_dir(oracle).status().expect("Go");
    assert!(ran.success());
    let answers = std::fs::read_to_string(&file).expect("answers");
    let (mut wrong, mut accepted) = (Vec::new(), 0);
    for ((operation, input, ours), line) in cases.iter().zip(answers.lines()) {
        let line: Value = serde_json::from_str(line).expect("an answer");
        let gos = if line["error"].is_null() { Ok(&line["want"]) } else { Err(&line["error"]) };
        accepted += usize::from(gos.is_ok());
        let agree = match (&gos, ours) {
            (Ok(go), Ok(ours)) => *go == ours || (operation == &"pem" && same_blocks(go, ours)),
            (Err(_), Err(_)) => true,
            // Broken YAML may pass on one side, which no class that works can notice; what has content may not.
            (Err(_), Ok(_)) => operation.starts_with("yaml"),
            (Ok(go), Err(_)) => operation.starts_with("yaml") && is_empty(go),
        };
        if !agree && wrong.len() < 20 {
            let input = String::from_utf8_lossy(input);
            wrong.push(format!("{operation} {input:?}\n  Go:   {gos:?}\n  ours: {ours:?}"));
        }
    }
    println!("{} cases, {accepted} accepted by Go", cases.len());
    assert!(accepted > cases.len() / 100 && wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether Go found nothing in a YAML text.
fn is_empty(answer: &Value) -> bool {
    let nothing = |value: &Value| *value == json!("") || *value == json!(0);
    answer.as_array().is_some_and(|values| values.iter().all(nothing))
}

/// Go writes no headers as null or as nothing, and text that is no UTF-8 in its own way.
fn same_blocks(go: &Value, ours: &Value) -> bool {
    let key = |answer: &Value| -> Vec<(Value, Value)> {
        let blocks = answer["blocks"].as_array().cloned().unwrap_or_default();
        blocks.iter().map(|block| (block["type"].clone(), block["bytes"].clone())).collect()
    };
    key(go) == key(ours)
}

/// What we take out of a PFX file is what OpenSSL takes out: certificates and keys, byte for byte.
#[test]
#[ignore = "needs OpenSSL: .ci/run fuzz"]
fn what_is_accepted_as_pfx_openssl_accepts_with_the_same_content() {
    let mut mutator = Mutator::new(seeds_of("pfx"));
    let (mut compared, mut wrong) = (0, Vec::new());
    let inputs = seeds_of("pfx").into_iter().chain(std::iter::repeat_with(|| mutator.next()));
    for input in inputs.take(executions()) {
        let options = PfxOptions { max_iterations: 20_000, ..PfxOptions::default() };
        let Ok(ours) = pfx_to_pem(&STANDARD.encode(&input), &options) else { continue };
        let Some(theirs) = openssl(&input) else {
            // It reads fewer kinds of files and keys than it once did, and checks more of what is inside.
            continue;
        };
        compared += 1;
        let content = |pem: &[u8]| {
            let certificates = Blocks::new(pem).filter(|block| block.label == "CERTIFICATE");
            let mut all: Vec<_> = certificates.map(|block| block.bytes.expose().clone()).collect();
            all.sort();
            all
        };
        if content(ours.pem.expose()) != content(&theirs) {
            wrong.push(STANDARD.encode(&input));
        }
    }
    println!("{compared} files compared");
    assert!(compared >= 10 && wrong.is_empty(), "{wrong:#?}");
}

fn openssl(pfx: &[u8]) -> Option<Vec<u8>> {
    for legacy in [&[][..], &["-legacy"]] {
        let mut child = Command::new("openssl")
            .args(["pkcs12", "-nodes", "-passin", "pass:"])
            .args(legacy)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("OpenSSL");
        // An error: it has seen enough.
        let _ = child.stdin.take().expect("a pipe").write_all(pfx);
        let output = child.wait_with_output().expect("OpenSSL");
        if output.status.success() {
            return Some(output.stdout);
        }
    }
    None
}
