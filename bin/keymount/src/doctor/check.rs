//! One thing that was looked at.

use serde::Serialize;

use super::redact::Redactor;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    Good,
    /// It works, but not as it was meant, or not for all.
    Doubtful,
    Bad,
    /// It may not be looked at, or cannot.
    NotSeen,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check {
    pub(crate) area: &'static str,
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

impl Check {
    pub(crate) fn redact(&mut self, redactor: &mut Redactor) {
        self.text = redactor.redact(&self.text);
        self.remedy = self.remedy.as_deref().map(|remedy| redactor.redact(remedy));
    }
}

/// All that was looked at, and the names that a report must not have.
#[derive(Default)]
pub(crate) struct Checks {
    all: Vec<Check>,
    redactor: Redactor,
}

/// Where checks of one area go.
pub(crate) struct Area<'a> {
    checks: &'a mut Checks,
    area: &'static str,
}

impl Checks {
    pub(crate) fn area(&mut self, area: &'static str) -> Area<'_> {
        Area { checks: self, area }
    }

    pub(crate) fn all(&self) -> &[Check] {
        &self.all
    }

    pub(crate) fn into_parts(self) -> (Redactor, Vec<Check>) {
        (self.redactor, self.all)
    }

    /// A report shall have `<kind-1>` in place of this.
    pub(crate) fn hide(&mut self, kind: &'static str, name: &str) {
        self.redactor.hide(kind, name);
    }
}

impl Area<'_> {
    fn add(&mut self, verdict: Verdict, name: &'static str, text: impl Into<String>, remedy: Option<String>) {
        self.checks.all.push(Check { area: self.area, name, verdict, text: text.into(), remedy });
    }

    pub(crate) fn good(&mut self, name: &'static str, text: impl Into<String>) {
        self.add(Verdict::Good, name, text, None);
    }

    pub(crate) fn doubtful(&mut self, name: &'static str, text: impl Into<String>, remedy: &str) {
        self.add(Verdict::Doubtful, name, text, Some(remedy.to_owned()));
    }

    pub(crate) fn bad(&mut self, name: &'static str, text: impl Into<String>, remedy: &str) {
        self.add(Verdict::Bad, name, text, Some(remedy.to_owned()));
    }

    pub(crate) fn not_seen(&mut self, name: &'static str, error: &kube::Error) {
        self.add(Verdict::NotSeen, name, crate::access::explain(error, "look at this").to_string(), None);
    }

    pub(crate) fn unknown(&mut self, name: &'static str, text: impl Into<String>) {
        self.add(Verdict::NotSeen, name, text, None);
    }
}
