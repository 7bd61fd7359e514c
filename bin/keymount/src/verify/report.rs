//! How it went, for people and programs.

use std::io::{self, Write};

use keymount_azure::{VerifyStage, VerifyStep};
use keymount_catalogue::sentence;
use serde::{Deserialize, Serialize};

use super::ask::Question;
use crate::output::{BAD, DIM, GOOD, LABEL, TITLE};

/// One class and service account.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) namespace: String,
    pub(crate) class: String,
    pub(crate) service_account: String,
    /// From where it was tried.
    pub(crate) from: String,
    pub(crate) works: bool,
    pub(crate) milliseconds: u64,
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) stage: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) target: String,
    pub(crate) milliseconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<StepError>,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepError {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<String>,
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) hint: String,
}

impl From<VerifyStep> for Step {
    fn from(step: VerifyStep) -> Self {
        let (detail, error) = match step.outcome {
            Ok(detail) => (Some(detail), None),
            Err(trouble) => {
                let number = keymount_catalogue::find(trouble.code).map(|entry| entry.id.to_string());
                let code = trouble.code.to_owned();
                (None, Some(StepError { number, code, text: trouble.text, hint: trouble.hint }))
            }
        };
        let milliseconds = u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX);
        Self { stage: name(step.stage).to_owned(), target: step.target, milliseconds, detail, error }
    }
}

const fn name(stage: VerifyStage) -> &'static str {
    match stage {
        VerifyStage::Class => "class",
        VerifyStage::Credential => "credential",
        VerifyStage::Resolve => "dns",
        VerifyStage::Connect => "tcp",
        VerifyStage::Handshake => "tls",
        VerifyStage::Token => "token",
        VerifyStage::Object => "object",
        VerifyStage::Volume => "volume",
    }
}

impl Report {
    pub(crate) fn new(question: &Question, from: &str, steps: Vec<VerifyStep>) -> Self {
        Self::of(question, from, steps.into_iter().map(Step::from).collect())
    }

    pub(crate) fn of(question: &Question, from: &str, steps: Vec<Step>) -> Self {
        Self {
            namespace: question.namespace.clone(),
            class: question.class.clone(),
            service_account: question.service_account.clone(),
            from: from.to_owned(),
            works: !steps.is_empty() && steps.iter().all(|step| step.error.is_none()),
            milliseconds: steps.iter().map(|step| step.milliseconds).sum(),
            steps,
        }
    }

    pub(crate) fn show(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { namespace, class, service_account, from, .. } = self;
        writeln!(
            out,
            "{TITLE}{namespace}/{class}{TITLE:#} for the service account {service_account}, from {from}"
        )?;
        for step in &self.steps {
            let (sign, style) = if step.error.is_some() { ("✗", BAD) } else { ("✓", GOOD) };
            let detail = step.detail.as_deref().unwrap_or_default();
            // The name stands before it already.
            let detail = detail.strip_prefix(&format!("{} is ", step.target)).unwrap_or(detail);
            let gap = if step.target.is_empty() || detail.is_empty() { "" } else { ": " };
            let took = format!("{} ms", step.milliseconds);
            writeln!(
                out,
                "  {style}{sign}{style:#} {:<10} {DIM}{took:>8}{DIM:#}  {}{gap}{detail}",
                step.stage, step.target
            )?;
        }
        // Objects of one vault usually fail for one reason.
        let mut told: Vec<&StepError> = Vec::new();
        for error in self.steps.iter().filter_map(|step| step.error.as_ref()) {
            if told.iter().any(|earlier| earlier.code == error.code) {
                continue;
            }
            told.push(error);
            let number = error.number.as_ref().map_or_else(String::new, |number| format!("{number} "));
            writeln!(out, "\n  {BAD}{number}{}{BAD:#}", error.code)?;
            for line in error.text.lines() {
                writeln!(out, "    {line}")?;
            }
            writeln!(out, "  {LABEL}What to do{LABEL:#}\n    {}", sentence(&error.hint))?;
        }
        match self.works {
            true => writeln!(out, "  {GOOD}a mount would work{GOOD:#}, in about {} ms", self.milliseconds),
            false => writeln!(out, "\n  {BAD}a mount would fail{BAD:#}"),
        }
    }
}
