//! Objects against each other: what all files together say.

use std::collections::HashMap;

use crate::class::Class;
use crate::diagnostic::{Diagnostic, Severity};
use crate::manifest::Manifest;
use crate::names::nearest;
use crate::place::Place;
use crate::rule::Rule;

/// Annotation of a service account for workload identity.
const CLIENT_ID: &str = "azure.workload.identity/client-id";

/// What was found in all files.
#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) classes: Vec<Class>,
    pub(crate) pods: Vec<PodSpec>,
    pub(crate) accounts: Vec<Account>,
}

/// What a pod has to do with classes.
pub(crate) struct PodSpec {
    pub(crate) file: usize,
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) secrets: Vec<SecretUse>,
}

/// A volume of a pod.
pub(crate) struct Mount {
    pub(crate) class: String,
    pub(crate) start: Place,
    pub(crate) end: Place,
}

/// A Secret that a pod needs.
pub(crate) struct SecretUse {
    pub(crate) name: String,
    pub(crate) start: Place,
    pub(crate) end: Place,
}

/// A service account with a workload identity.
pub(crate) struct Account {
    namespace: String,
    name: String,
    client_id: String,
}

impl Account {
    pub(crate) fn of(manifest: &Manifest, namespace: &str) -> Option<Self> {
        let client_id = manifest.root.text_at(&["metadata", "annotations", CLIENT_ID]);
        (!client_id.is_empty()).then(|| Self {
            namespace: manifest.namespace(namespace).to_owned(),
            name: manifest.name().to_owned(),
            client_id: client_id.to_owned(),
        })
    }
}

impl Cluster {
    pub(crate) fn check(&self, found: &mut Vec<Diagnostic>) {
        self.check_classes(found);
        for pod in &self.pods {
            for mount in &pod.mounts {
                self.check_mount(pod, mount, found);
            }
            self.check_secrets(pod, found);
        }
    }

    fn class(&self, namespace: &str, name: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.namespace == namespace && class.name == name)
    }

    /// Two classes of a namespace cannot make one Secret: the driver refuses the second.
    fn check_classes(&self, found: &mut Vec<Diagnostic>) {
        let mut makers: HashMap<(&str, &str), &Class> = HashMap::new();
        let mut names: HashMap<(&str, &str), &Class> = HashMap::new();
        for class in &self.classes {
            if !class.name.is_empty() && names.insert((&class.namespace, &class.name), class).is_some() {
                let told =
                    Diagnostic::new(Severity::Error, Rule::ClassTwice, class.file, class.at, class.end);
                found.push(told.saying(format!("there are two classes {}/{}", class.namespace, class.name)));
            }
            for (secret, start, end) in &class.secrets {
                if let Some(first) = makers.insert((&class.namespace, secret), class)
                    && first.name != class.name
                {
                    let told =
                        Diagnostic::new(Severity::Error, Rule::SecretOfTwoClasses, class.file, *start, *end);
                    found
                        .push(told.saying(format!("the class {} makes the Secret {secret} too", first.name)));
                }
            }
        }
    }

    fn check_mount(&self, pod: &PodSpec, mount: &Mount, found: &mut Vec<Diagnostic>) {
        let Some(class) = self.class(&pod.namespace, &mount.class) else {
            if let Some(elsewhere) = self.classes.iter().find(|class| class.name == mount.class) {
                let told = Diagnostic::new(
                    Severity::Error,
                    Rule::ClassInOtherNamespace,
                    pod.file,
                    mount.start,
                    mount.end,
                );
                found.push(told.saying(format!(
                    "the class {} is in the namespace {}, the pod in {}",
                    mount.class, elsewhere.namespace, pod.namespace
                )));
                return;
            }
            let others = self.classes.iter().filter(|class| class.namespace == pod.namespace);
            if let Some(meant) = nearest(&mount.class, others.map(|class| class.name.as_str())) {
                let told =
                    Diagnostic::new(Severity::Warning, Rule::ClassNotFound, pod.file, mount.start, mount.end);
                found.push(
                    told.saying(format!("no class {} is among the files", mount.class))
                        .hinting(format!("write {meant}, if that is meant")),
                );
            }
            return;
        };
        let account =
            self.accounts.iter().find(|a| a.namespace == pod.namespace && a.name == pod.service_account);
        if let (Some(account), Some(client_id)) = (account, &class.client_id)
            && !account.client_id.eq_ignore_ascii_case(client_id)
        {
            let told = Diagnostic::new(
                Severity::Warning,
                Rule::ClientIdOfAnotherAccount,
                class.file,
                class.at,
                class.end,
            );
            found.push(told.saying(format!(
                "clientID of the class {} is not the client id of the service account {}, {}",
                class.name, account.name, account.client_id
            )));
        }
    }

    /// A synced Secret is there only while a pod mounts its class.
    fn check_secrets(&self, pod: &PodSpec, found: &mut Vec<Diagnostic>) {
        for used in &pod.secrets {
            let makes = |class: &&Class| {
                class.namespace == pod.namespace && class.secrets.iter().any(|(name, ..)| *name == used.name)
            };
            if let Some(maker) = self.classes.iter().find(makes)
                && !pod.mounts.iter().any(|mount| mount.class == maker.name)
            {
                let told = Diagnostic::new(
                    Severity::Warning,
                    Rule::SecretOfUnmountedClass,
                    pod.file,
                    used.start,
                    used.end,
                );
                found.push(told.saying(format!(
                    "the Secret {} is made by the class {}, which this pod does not mount",
                    used.name, maker.name
                )));
            }
        }
    }
}
