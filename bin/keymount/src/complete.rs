//! `kubectl_complete-keymount`: what kubectl runs when somebody presses Tab behind `kubectl keymount`.
//!
//! It gets the words that were typed, the last one as far as it goes, and answers as `__complete` of Go's cobra does: a choice per
//! line, what it means behind a tab, and at the end `:` with what the shell shall do (KEP-2379, "Shell Completion Support"). Names of pods, classes, namespaces and nodes come
//! from the cluster that the words before lead to; where that does not answer in a moment there are none.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, Command};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use keymount_api::SecretProviderClass;
use kube::api::{Api, ListParams};

use crate::access::Access;
use crate::status::csi_volumes;

/// Who presses Tab does not wait for longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most names that are asked for.
const MOST: u32 = 500;

/// What the shell shall do: complete names of files, too, or nothing but the choices.
const FILES: u8 = 0;
const NO_FILES: u8 = 4;

/// Names that only the cluster or the kubeconfig knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Contexts,
    Namespaces,
    Nodes,
    Pods,
    Classes,
    ServiceAccounts,
}

/// Values of options that were typed, by the option's id.
type Typed = BTreeMap<String, String>;

/// A choice and what it means.
type Choice = (String, String);

pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let words: Vec<_> = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let (choices, directive) = choices(&words, &mut |names, typed| ask(names, typed).unwrap_or_default());
    let mut text = String::new();
    for (choice, meaning) in choices {
        text.push_str(&choice);
        if !meaning.is_empty() {
            text.push('\t');
            text.push_str(&meaning);
        }
        text.push('\n');
    }
    text.push_str(&format!(":{directive}\n"));
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// What the last word may become.
fn choices(words: &[String], ask: &mut dyn FnMut(Names, &Typed) -> Vec<String>) -> (Vec<Choice>, u8) {
    let mut root = crate::command();
    root.build();
    let (last, before) = words.split_last().map_or(("", [].as_slice()), |(last, before)| (last, before));
    let place = Place::after(&root, before);
    let values =
        |arg: &Arg, ask: &mut dyn FnMut(Names, &Typed) -> Vec<String>| values(arg, &place.typed, ask);
    let (mut choices, directive, wanted) = match (place.waiting, last.split_once('=')) {
        (Some(arg), _) => with(values(arg, ask), last),
        (None, Some((option, value))) if option.starts_with("--") => match option_of(place.command, option) {
            Some(arg) => with(values(arg, ask), value),
            None => with((Vec::new(), NO_FILES), value),
        },
        _ if last.starts_with('-') => with((options(place.command), NO_FILES), last),
        _ if place.command.has_subcommands() && place.positionals == 0 => {
            with((commands(place.command), NO_FILES), last)
        }
        _ => match positional(place.command, place.positionals) {
            Some(arg) => with(values(arg, ask), last),
            None => with((Vec::new(), NO_FILES), last),
        },
    };
    choices.retain(|(choice, _)| choice.starts_with(wanted));
    (choices, directive)
}

fn with((choices, directive): (Vec<Choice>, u8), wanted: &str) -> (Vec<Choice>, u8, &str) {
    (choices, directive, wanted)
}

/// Where in the command line the last word stands.
struct Place<'a> {
    command: &'a Command,
    /// Arguments without an option before it.
    positionals: usize,
    /// The option whose value it is.
    waiting: Option<&'a Arg>,
    typed: Typed,
}

impl<'a> Place<'a> {
    fn after(root: &'a Command, words: &[String]) -> Self {
        let mut place = Self { command: root, positionals: 0, waiting: None, typed: Typed::new() };
        for word in words {
            if let Some(arg) = place.waiting.take() {
                place.typed.insert(arg.get_id().to_string(), word.clone());
            } else if word.len() > 1 && word.starts_with('-') {
                let (option, value) =
                    word.split_once('=').map_or((word.as_str(), None), |(o, v)| (o, Some(v)));
                let Some(arg) = option_of(place.command, option).filter(|arg| takes_value(arg)) else {
                    continue;
                };
                match value {
                    Some(value) => drop(place.typed.insert(arg.get_id().to_string(), value.to_owned())),
                    None => place.waiting = Some(arg),
                }
            } else if let Some(command) =
                place.command.find_subcommand(word).filter(|_| place.positionals == 0)
            {
                place.command = command;
            } else {
                place.positionals += 1;
            }
        }
        place
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// The option that `--name` or `-n` is.
fn option_of<'a>(command: &'a Command, text: &str) -> Option<&'a Arg> {
    let is_it = |arg: &&Arg| match text.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => {
            arg.get_short().is_some_and(|short| text.strip_prefix('-') == Some(short.to_string().as_str()))
        }
    };
    command.get_arguments().find(is_it)
}

/// The argument at this place; the last one may be there several times.
fn positional(command: &Command, number: usize) -> Option<&Arg> {
    let mut all = command.get_positionals();
    let last =
        command.get_positionals().last().filter(|arg| arg.get_num_args().is_some_and(|n| n.max_values() > 1));
    all.nth(number).or(last)
}

fn first_line(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

fn commands(command: &Command) -> Vec<Choice> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| (command.get_name().to_owned(), first_line(command.get_about()))).collect()
}

fn options(command: &Command) -> Vec<Choice> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    shown.filter_map(|arg| Some((format!("--{}", arg.get_long()?), first_line(arg.get_help())))).collect()
}

/// What an argument may be.
fn values(arg: &Arg, typed: &Typed, ask: &mut dyn FnMut(Names, &Typed) -> Vec<String>) -> (Vec<Choice>, u8) {
    if !takes_value(arg) {
        return (Vec::new(), NO_FILES);
    }
    let known = arg.get_possible_values();
    if !known.is_empty() {
        let shown = known.iter().filter(|value| !value.is_hide_set());
        let choices = shown.map(|value| (value.get_name().to_owned(), first_line(value.get_help())));
        return (choices.collect(), NO_FILES);
    }
    let names = match arg.get_id().as_str() {
        "context" => Names::Contexts,
        "namespace" => Names::Namespaces,
        "node" => Names::Nodes,
        "pod" => Names::Pods,
        "class" | "classes" => Names::Classes,
        "service_account" => Names::ServiceAccounts,
        "codes" => {
            let all = keymount_catalogue::entries().iter();
            return (all.map(|entry| (entry.code.to_owned(), entry.meaning.to_owned())).collect(), NO_FILES);
        }
        _ => {
            let is_path = |name: &str| name.contains("FILE") || name.contains("DIR");
            let path = arg.get_value_names().unwrap_or_default().iter().any(|name| is_path(name));
            return (Vec::new(), if path { FILES } else { NO_FILES });
        }
    };
    (ask(names, typed).into_iter().map(|name| (name, String::new())).collect(), NO_FILES)
}

/// Names from where the words before lead to.
fn ask(names: Names, typed: &Typed) -> anyhow::Result<Vec<String>> {
    let access = Access::of(typed.get("kubeconfig").map(Into::into), typed.get("context").cloned());
    if names == Names::Contexts {
        return access.contexts();
    }
    let asked = async {
        let cluster = access.cluster().await?;
        let client = cluster.client.clone();
        let namespace = typed.get("namespace").unwrap_or(&cluster.default_namespace);
        let few = ListParams::default().limit(MOST);
        Ok(match names {
            Names::Contexts => Vec::new(),
            Names::Namespaces => names_of(Api::<Namespace>::all(client).list_metadata(&few).await?.items),
            Names::Nodes => names_of(Api::<Node>::all(client).list_metadata(&few).await?.items),
            Names::Pods => {
                let mut pods = Api::<Pod>::namespaced(client, namespace).list(&few).await?.items;
                pods.retain(|pod| csi_volumes(pod).next().is_some());
                names_of(pods)
            }
            Names::Classes => {
                let classes = Api::<SecretProviderClass>::namespaced(client, namespace);
                names_of(classes.list_metadata(&few).await?.items)
            }
            Names::ServiceAccounts => {
                let accounts = Api::<ServiceAccount>::namespaced(client, namespace);
                names_of(accounts.list_metadata(&few).await?.items)
            }
        })
    };
    crate::emulate::runtime()?.block_on(async { tokio::time::timeout(PATIENCE, asked).await? })
}

fn names_of<K: kube::ResourceExt>(objects: Vec<K>) -> Vec<String> {
    objects.iter().map(K::name_any).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Choices without their meaning, the directive, and what the cluster was asked for.
    fn completed(line: &str) -> (Vec<String>, u8, Option<(Names, Typed)>) {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let mut asked = None;
        let (choices, directive) = choices(&words, &mut |names, typed| {
            asked = Some((names, typed.clone()));
            vec!["web".to_owned(), "db".to_owned()]
        });
        (choices.into_iter().map(|(choice, _)| choice).collect(), directive, asked)
    }

    #[test]
    fn commands_options_and_their_values() {
        for (line, expected, directive) in [
            ("sta", &["status"][..], NO_FILES),
            ("status --outp", &["--output"], NO_FILES),
            ("status -o ", &["table", "wide", "json", "yaml"], NO_FILES),
            ("status -o json --no-c", &["--no-color"], NO_FILES),
            ("doctor --output=re", &["report"], NO_FILES),
            ("completions z", &["zsh"], NO_FILES),
            ("explain ObjectNot", &["ObjectNotFound"], NO_FILES),
            ("lint ", &[], FILES),
            ("status --kubeconfig ", &[], FILES),
            ("verify web --timeout ", &[], NO_FILES),
            ("verify web other", &[], NO_FILES),
            ("nothing ", &[], NO_FILES),
            ("internal", &[], NO_FILES),
        ] {
            let (choices, told, _) = completed(line);
            assert_eq!(
                (choices.iter().map(String::as_str).collect::<Vec<_>>(), told),
                (expected.to_vec(), directive),
                "{line}"
            );
        }
        let (choices, meanings) = (completed("").0, choices(&[], &mut |_, _| Vec::new()).0);
        assert!(
            choices.contains(&"describe".to_owned()) && !choices.contains(&"internal".to_owned()),
            "{choices:?}"
        );
        assert!(
            meanings.iter().all(|(_, meaning)| !meaning.is_empty() && !meaning.contains('\n')),
            "{meanings:?}"
        );
    }

    #[test]
    fn names_come_from_the_cluster_that_the_words_lead_to() {
        for (line, expected, names) in [
            ("describe pod ", &["web", "db"][..], Names::Pods),
            ("describe w", &["web"], Names::Pods),
            ("verify -n shop ", &["web", "db"], Names::Classes),
            ("verify web --service-account ", &["web", "db"], Names::ServiceAccounts),
            ("refresh web d", &["db"], Names::Classes),
            ("status --pod ", &["web", "db"], Names::Pods),
            ("status -n ", &["web", "db"], Names::Namespaces),
            ("status --context=", &["web", "db"], Names::Contexts),
            ("status --node ", &["web", "db"], Names::Nodes),
        ] {
            let (choices, directive, asked) = completed(line);
            assert_eq!(
                (choices.iter().map(String::as_str).collect::<Vec<_>>(), directive),
                (expected.to_vec(), NO_FILES),
                "{line}"
            );
            assert_eq!(asked.as_ref().map(|(names, _)| *names), Some(names), "{line}");
        }
        let (_, typed) = completed("describe --context=test -n shop pod ").2.unwrap();
        assert_eq!((typed["context"].as_str(), typed["namespace"].as_str()), ("test", "shop"));
    }
}
