//! Links in Markdown, as far as this project writes them: `[text](target)`, outside of code.

/// The text with each target replaced.
pub(super) fn with_links(text: &str, mut replace: impl FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut fenced = false;
    for line in text.split_inclusive('\n') {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if fenced || fence || line.starts_with("    ") {
            out.push_str(line);
            continue;
        }
        let (mut rest, mut is_quoted) = (line, false);
        while let Some((before, after)) = rest.split_once("](") {
            let Some((target, end)) = after.split_once(')') else { break };
            out.push_str(before);
            out.push_str("](");
            // An odd number of backticks before it in the line: the link is quoted.
            is_quoted ^= before.matches('`').count() % 2 == 1;
            out.push_str(&if is_quoted { target.to_owned() } else { replace(target) });
            out.push(')');
            rest = end;
        }
        out.push_str(rest);
    }
    out
}

/// All targets.
pub(super) fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    with_links(text, |target| {
        targets.push(target.to_owned());
        target.to_owned()
    });
    targets
}

/// Path below the root of the project of what a page links to; none for other sites and for the page itself.
pub(super) fn resolve(page: &str, target: &str) -> Option<String> {
    if target.is_empty() || target.starts_with('#') || target.contains("://") || target.starts_with("mailto:")
    {
        return None;
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_replaced_outside_of_code_only() {
        let text = "a [b](c.md) `[d](e)` ![f](g.svg)\n\n    [h](i)\n```sh\n[j](k)\n```\n[l](m#n)\n";
        assert_eq!(targets(text), ["c.md", "g.svg", "m#n"]);
        assert_eq!(
            with_links(text, |target| target.to_uppercase()),
            "a [b](C.MD) `[d](e)` ![f](G.SVG)\n\n    [h](i)\n```sh\n[j](k)\n```\n[l](M#N)\n"
        );
    }

    #[test]
    fn targets_are_resolved_from_the_page() {
        for (page, target, expected) in [
            ("README.md", "docs/a.md", Some("docs/a.md")),
            ("docs/install/aks.md", "../migrate.md", Some("docs/migrate.md")),
            ("docs/install/aks.md", "../../deploy/components", Some("deploy/components")),
            ("docs/a.md", "./b.md", Some("docs/b.md")),
            ("docs/a.md", "https://example.org", None),
            ("docs/a.md", "#here", None),
        ] {
            assert_eq!(resolve(page, target).as_deref(), expected, "{page} {target}");
        }
    }
}
