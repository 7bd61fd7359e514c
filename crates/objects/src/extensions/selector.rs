//! Objects chosen by their names and tags.

use super::ExtensionProblem;
use crate::yaml::Pairs;

/// No object's name is longer.
pub(crate) const MAX_PATTERN: usize = 127;

/// Which objects of a vault are meant: those whose name and tags match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// With `*` for any characters and `?` for one.
    pattern: String,
    tags: Vec<(String, String)>,
}

impl Selector {
    pub(super) fn new(pattern: &str, tags: &Pairs) -> Result<Self, ExtensionProblem> {
        if pattern.len() > MAX_PATTERN {
            return Err(ExtensionProblem::PatternLength);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'*' | b'?');
        if !pattern.bytes().all(allowed) {
            return Err(ExtensionProblem::Pattern(pattern.to_owned()));
        }
        let pattern = if pattern.is_empty() { "*" } else { pattern };
        let tags = tags.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect();
        Ok(Self { pattern: pattern.to_owned(), tags })
    }

    /// Whether an object is meant. Names match in any case, as Key Vault has it; a tag matches exactly, and
    /// all have to.
    #[must_use]
    pub fn matches<'t>(&self, name: &str, tag: impl Fn(&str) -> Option<&'t str>) -> bool {
        glob(self.pattern.as_bytes(), name.as_bytes())
            && self.tags.iter().all(|(name, value)| tag(name) == Some(value))
    }

    /// The pattern; `*` where only tags are given.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

/// Without recursion: only the last star ever has to be tried again.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while let Some(character) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(character) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_patterns() {
        for (pattern, matching, other) in [
            ("app-*", &["app-", "app-db", "APP-x"][..], &["app", "xapp-db"][..]),
            ("*", &["", "a"], &[]),
            ("a?c", &["abc", "a-c"], &["ac", "abbc"]),
            ("*-db-*", &["x-db-y", "-db-", "a-db-db-b"], &["x-db", "xdb-"]),
            ("db", &["db", "DB"], &["db1", "adb", ""]),
            ("**a**", &["a", "bab"], &["b", ""]),
        ] {
            for name in matching {
                assert!(glob(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
            }
            for name in other {
                assert!(!glob(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_time() {
        let pattern = "*a".repeat(60) + "b";
        assert!(!glob(pattern.as_bytes(), "a".repeat(127).as_bytes()));
    }
}
