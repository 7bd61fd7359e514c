//! What changes, while it changes.

use std::collections::BTreeMap;
use std::io::Write as _;

use futures::StreamExt as _;
use keymount_api::{SecretProviderClass, SecretProviderClassPodStatus};
use keymount_clock::WallClock;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};

use super::rows;
use super::view::{State, VolumeView};
use super::{Query, secrets_of};
use crate::access::{Cluster, explain, innermost};
use crate::output::{self, Format, Table};

/// Shows every volume once, and again whenever something about it changes. Ends when nobody reads on, or by a signal.
pub(super) async fn watch(
    cluster: &Cluster,
    query: &Query,
    format: Format,
    problems: bool,
) -> anyhow::Result<()> {
    let mut screen = Screen { table: Table::new(rows::header(format)), format, begun: false };
    let mut known: BTreeMap<(String, String), VolumeView> = BTreeMap::new();
    let objects = query.api::<SecretProviderClassPodStatus>(cluster);
    let mut stream = Box::pin(watcher(objects, watcher::Config::default()).default_backoff());
    let mut listed: Option<BTreeMap<(String, String), VolumeView>> = None;
    let mut reached = false;
    while let Some(event) = stream.next().await {
        let changed = match event {
            Ok(Event::Init) => {
                listed = Some(BTreeMap::new());
                Vec::new()
            }
            Ok(Event::InitApply(object)) => {
                let volume = VolumeView::of(&object);
                if query.wants(&volume) {
                    listed.get_or_insert_default().insert(key(&object), volume);
                }
                Vec::new()
            }
            Ok(Event::InitDone) => {
                let fresh = listed.take().unwrap_or_default();
                if !reached && fresh.is_empty() {
                    output::note("there is no volume yet; what comes is shown");
                }
                reached = true;
                let gone =
                    known.iter().filter(|(key, _)| !fresh.contains_key(*key)).map(|(_, volume)| gone(volume));
                let new = fresh
                    .iter()
                    .filter(|(key, volume)| known.get(*key) != Some(*volume))
                    .map(|(_, volume)| volume.clone());
                let changed: Vec<_> = gone.chain(new).collect();
                known = fresh;
                changed
            }
            Ok(Event::Apply(object)) => {
                let volume = VolumeView::of(&object);
                let is_news = query.wants(&volume)
                    && known.insert(key(&object), volume.clone()).as_ref() != Some(&volume);
                is_news.then_some(volume).into_iter().collect()
            }
            Ok(Event::Delete(object)) => known.remove(&key(&object)).iter().map(gone).collect(),
            Err(watcher::Error::InitialListFailed(error)) if !reached => {
                return Err(explain(&error, "list SecretProviderClassPodStatuses"));
            }
            // The watcher begins anew by itself.
            Err(error) => {
                output::note(&format!("the watch was interrupted and begins anew: {}", innermost(&error)));
                Vec::new()
            }
        };
        let now = WallClock::system().now();
        for mut volume in changed.into_iter().filter(|volume| !problems || volume.is_bad(now)) {
            if query.secrets && volume.state != State::Gone {
                volume.secrets = Some(secrets(cluster, &volume).await);
            }
            if screen.show(&volume).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn secrets(cluster: &Cluster, volume: &VolumeView) -> Vec<super::SecretView> {
    let classes: kube::Api<SecretProviderClass> =
        kube::Api::namespaced(cluster.client.clone(), &volume.namespace);
    match classes.get_opt(&volume.class).await {
        Ok(Some(class)) => secrets_of(&cluster.client, &class).await,
        _ => Vec::new(),
    }
}

fn key(object: &SecretProviderClassPodStatus) -> (String, String) {
    (object.metadata.namespace.clone().unwrap_or_default(), object.metadata.name.clone().unwrap_or_default())
}

fn gone(volume: &VolumeView) -> VolumeView {
    VolumeView { state: State::Gone, problems: Vec::new(), ..volume.clone() }
}

struct Screen {
    table: Table,
    format: Format,
    begun: bool,
}

impl Screen {
    fn show(&mut self, volume: &VolumeView) -> std::io::Result<()> {
        let out = &mut anstream::stdout().lock();
        match self.format {
            Format::Json => writeln!(out, "{}", serde_json::to_string(volume)?)?,
            Format::Yaml => {
                writeln!(out, "---")?;
                output::serialized(out, volume, Format::Yaml)?;
            }
            Format::Table | Format::Wide => {
                let row = rows::row(volume, WallClock::system().now(), self.format);
                if self.begun { self.table.append(out, &row)? } else { self.table.write(out, &[row])? }
            }
        }
        self.begun = true;
        out.flush()
    }
}
