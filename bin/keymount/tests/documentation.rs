//! What the documentation tells people to type and to write does what it says.
//!
//! A block of commands (`sh`) is run, and a `text` block right after it holds lines of its output, in their order, `…` standing for
//! anything. Blocks marked `sh cluster` and YAML for a cluster are tried by tests/charts/test_documentation.py, blocks marked
//! `sh azure` need an Azure account, and a comment `<!-- not run: … -->` above a block says why it is left out.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a reader puts in.
const READER: [(&str, &str); 4] = [
    ("MACHINE_CLIENT_ID", "0a1b2c3d-0000-4000-8000-000000000001"),
    ("TENANT_ID", "0a1b2c3d-0000-4000-8000-000000000002"),
    ("CLIENT_ID", "0a1b2c3d-0000-4000-8000-000000000003"),
    ("VAULT", "shop"),
];

/// `cargo run … -- ARGUMENTS` is the program with these arguments; what was started in the background ends with the block.
const PRELUDE: &str = r#"set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
cargo() { while [ "$1" != -- ]; do shift; done; shift; keymount "$@"; }
"#;

struct Block {
    page: PathBuf,
    line: usize,
    /// The words behind the fence.
    info: String,
    /// Why it is not run.
    excuse: Option<String>,
    text: String,
    /// A `text` block right after it.
    output: Option<String>,
}

impl Block {
    fn place(&self) -> String {
        format!("{}:{}", self.page.display(), self.line)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// The README and every page below docs.
fn pages() -> Vec<PathBuf> {
    let (mut pages, mut folders) = (vec![root().join("README.md")], vec![root().join("docs")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page");
        let mut lines = text.lines().enumerate().peekable();
        let (mut excuse, mut open) = (None, None::<usize>);
        while let Some((number, line)) = lines.next() {
            if let Some(info) = line.strip_prefix("```") {
                let mut inside = String::new();
                for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
                    inside.push_str(line);
                    inside.push('\n');
                }
                match open.take() {
                    Some(before) if info == "text" => blocks[before].output = Some(inside),
                    _ => {
                        open = Some(blocks.len());
                        let page = page.strip_prefix(root()).expect("below the root").to_owned();
                        let (info, excuse) = (info.to_owned(), excuse.take());
                        blocks.push(Block {
                            page,
                            line: number + 1,
                            info,
                            excuse,
                            text: inside,
                            output: None,
                        });
                    }
                }
            } else if let Some(reason) = line.strip_prefix("<!-- not run: ") {
                excuse = Some(reason.trim_end_matches("-->").trim().to_owned());
            } else if !line.is_empty() {
                (excuse, open) = (None, None);
            }
        }
    }
    blocks
}

/// A directory with what the commands name, and the program in the path.
fn stage() -> tempfile::TempDir {
    let stage = tempfile::tempdir().expect("a directory");
    let (place, root) = (stage.path(), root());
    std::fs::create_dir_all(place.join("bin")).expect("a directory");
    std::fs::create_dir_all(place.join("deploy")).expect("a directory");
    symlink(env!("CARGO_BIN_EXE_keymount"), place.join("bin/keymount")).expect("a link");
    symlink(root.join("examples"), place.join("examples")).expect("a link");
    for name in ["class.yaml", "deploy/class.yaml"] {
        std::fs::copy(root.join("examples/secretproviderclass.yaml"), place.join(name)).expect("a copy");
    }
    stage
}

/// Standard output and whether all went well.
fn run(program: &mut Command, input: &str) -> (bool, String) {
    use std::io::Write as _;
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("an end");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    (output.status.success(), if output.status.success() { out } else { out + &errors })
}

/// Whether the output has these lines, in this order.
fn has_lines(output: &str, lines: &str) -> bool {
    let mut rest = output;
    lines.lines().flat_map(|line| line.trim().split('…')).filter(|part| !part.trim().is_empty()).all(|part| {
        let found = rest.split_once(part.trim());
        rest = found.map_or(rest, |(_, after)| after);
        found.is_some()
    })
}

#[test]
fn commands_do_what_the_pages_say() {
    let (mut ran, mut wrong) = (0, Vec::new());
    for block in blocks().iter().filter(|block| block.info == "sh" && block.excuse.is_none()) {
        let stage = stage();
        let mut shell = Command::new("bash");
        shell
            .arg("-c")
            .arg(format!("PATH=$PROGRAMS:$PATH\n{PRELUDE}{}", block.text))
            .current_dir(stage.path());
        shell.env("PROGRAMS", stage.path().join("bin"));
        let (well, output) = run(&mut shell, "");
        ran += 1;
        if !well {
            wrong.push(format!("{} failed:\n{output}", block.place()));
        } else if block.output.as_ref().is_some_and(|expected| !has_lines(&output, expected)) {
            wrong.push(format!("{} printed something else:\n{output}", block.place()));
        }
    }
    assert!(ran >= 5, "{ran} blocks are not all");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_block_is_run_or_says_why_not() {
    for block in blocks() {
        let known = match block.info.as_str() {
            "sh" | "sh cluster" | "sh azure" | "yaml" | "text" | "rust" | "json" | "go" | "xml" | "toml" => {
                true
            }
            // Long-standing pages quote without a language.
            info => info.is_empty(),
        };
        assert!(known, "{}: {:?} is no kind of block", block.place(), block.info);
        let commands = ["az ", "kubectl ", "helm ", "keymount "];
        let starts = |line: &str| commands.iter().any(|command| line.trim_start().starts_with(command));
        if block.info.is_empty() || block.info == "text" {
            assert!(!block.text.lines().any(starts), "{}: commands belong into sh blocks", block.place());
        }
        if block.text.lines().any(|line| line.trim_start().starts_with("az ")) {
            assert_eq!(block.info, "sh azure", "{}", block.place());
        }
    }
}

#[test]
fn yaml_is_what_the_linter_takes() {
    let mut linted = 0;
    for block in blocks().iter().filter(|block| block.info == "yaml") {
        let first = block.text.lines().next().unwrap_or_default();
        let value: Result<serde_json::Value, _> = serde_saphyr::from_str(&block.text);
        assert!(value.is_ok(), "{}: {:?}", block.place(), value.err());
        // Values are rendered by tests/charts, parameters mounted by crates/azure/tests; the others are parts of something.
        let known = ["# values: ", "# fragment", "parameters:", "repos:", "steps:"];
        if known.iter().any(|start| first.starts_with(start)) {
            continue;
        }
        assert!(first.starts_with("apiVersion: "), "{}: what is it?", block.place());
        let filled = READER.iter().fold(block.text.clone(), |text, (word, value)| text.replace(word, value));
        let mut lint = Command::new(env!("CARGO_BIN_EXE_keymount"));
        let (well, output) = run(lint.args(["lint", "-"]), &filled);
        assert!(well, "{}:\n{output}", block.place());
        linted += 1;
    }
    assert!(linted >= 10, "{linted} objects are not all");
}

#[test]
fn lines_are_found_in_their_order() {
    assert!(has_lines("a 1\nb\nc", "a …\nc") && has_lines("x", "") && has_lines("took 3 ms", "took … ms"));
    assert!(!has_lines("c\na", "a\nc") && !has_lines("", "a"));
}
