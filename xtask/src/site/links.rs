//! Whether the links of the finished site lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// Number of links; fails if one leads nowhere.
pub(super) fn check(html: &Path) -> anyhow::Result<usize> {
    let mut pages = BTreeMap::new();
    collect(html, &mut pages)?;
    let (mut seen, mut broken) = (0, Vec::new());
    for (page, text) in &pages {
        // Its links are those of the site's top, wherever it is shown.
        if page.ends_with("404.html") {
            continue;
        }
        for link in ["href=\"", "src=\""].into_iter().flat_map(|attribute| values(text, attribute)) {
            let link = link.replace("&amp;", "&");
            let has_scheme = link.split(['/', '#']).next().is_some_and(|start| start.contains(':'));
            if link.is_empty() || has_scheme {
                continue;
            }
            seen += 1;
            if !leads_somewhere(page, &link, &pages) {
                broken.push(format!("{}: {link}", page.strip_prefix(html).unwrap_or(page).display()));
            }
        }
    }
    ensure!(seen > 100, "{seen} links are not all of them");
    ensure!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    Ok(seen)
}

fn collect(folder: &Path, pages: &mut BTreeMap<PathBuf, String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            let text = std::fs::read_to_string(&path)?;
            pages.insert(path, text);
        }
    }
    Ok(())
}

/// What stands in attributes of this beginning.
fn values<'a>(text: &'a str, attribute: &'static str) -> impl Iterator<Item = &'a str> {
    text.split(attribute).skip(1).filter_map(|rest| rest.split('"').next())
}

fn leads_somewhere(page: &Path, link: &str, pages: &BTreeMap<PathBuf, String>) -> bool {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let path = path.split('?').next().unwrap_or_default();
    let target = if path.is_empty() { page.to_owned() } else { normal(&page.with_file_name(path)) };
    match (anchor, pages.get(&target)) {
        (None | Some(""), Some(_)) => true,
        (None | Some(""), None) => target.is_file(),
        (Some(anchor), Some(text)) => values(text, "id=\"").collect::<BTreeSet<_>>().contains(anchor),
        (Some(_), None) => false,
    }
}

/// Without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == std::path::Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_anchors_have_to_be_there() {
        let pages = BTreeMap::from([
            (PathBuf::from("/s/a/b.html"), r#"<h1 id="top">"#.to_owned()),
            (PathBuf::from("/s/c.html"), r#"<h1 id="one">"#.to_owned()),
        ]);
        let page = Path::new("/s/a/b.html");
        for (link, expected) in [
            ("#top", true),
            ("#none", false),
            ("../c.html", true),
            ("../c.html#one", true),
            ("../c.html#two", false),
            ("../d.html", false),
            ("b.html?x#top", true),
        ] {
            assert_eq!(leads_somewhere(page, link, &pages), expected, "{link}");
        }
    }
}
