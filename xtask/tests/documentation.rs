//! What the documentation points at is there.

#![allow(missing_docs, reason = "a test")]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

/// Every page under version control's top folder, `docs` and the folders of code.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&name) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// What stands in `](…)`, without anchors; pages elsewhere are left out.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page");
        let folder = page.parent().expect("a folder");
        let missing = links(&text).filter(|target| !folder.join(target).exists());
        broken.extend(missing.map(|target| format!("{}: {target}", page.display())));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A file that the map names stands in `crates`, or in the crate of the file named before it: beside it or at its top.
#[test]
fn the_map_names_files_that_exist() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
    // What every program has.
    let general = ["main.rs", "program.rs"];
    let mut folder = root();
    let mut missing = Vec::new();
    let names = map.split('`').skip(1).step_by(2);
    for name in names.filter(|name| name.ends_with(".rs") && !general.contains(name)) {
        let places = [root().join("crates").join(name), folder.join(name), top(&folder).join(name)];
        match places.into_iter().find(|place| place.is_file()) {
            Some(place) => folder = place.parent().expect("a folder").to_owned(),
            None => missing.push(name),
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// What people read of codes beside the catalogue: numbers belong to the codes before them.
#[test]
fn numbers_that_are_written_down_are_those_of_their_codes() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in
        ["charts/secrets-store-csi-driver/templates/admission-classes.yaml", "README.md", "docs/cli.md"]
    {
        let text = std::fs::read_to_string(root().join(page)).expect("a page");
        for (code, number) in
            keymount_catalogue::entries().iter().map(|entry| (entry.code, entry.id.to_string()))
        {
            seen += text.matches(&format!("{code} ({number})")).count();
        }
        for (before, after) in text.match_indices(" (KM").map(|(at, _)| text.split_at(at)) {
            let code = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let number = after.trim_start_matches(" (").get(..6).unwrap_or_default();
            let known = keymount_catalogue::find(code).is_some_and(|entry| entry.id.to_string() == number);
            if !known && code != "CODE" {
                wrong.push(format!("{page}: {code} ({number})"));
            }
        }
    }
    assert!(wrong.is_empty() && seen > 10, "{wrong:#?}");
}

/// The `src` above a folder of code.
fn top(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.ends_with("src")).unwrap_or(folder)
}
