//! The atomic writer: puts a generation into a volume so that a reader sees the old one whole or the new one
//! whole, and a kill at any moment leaves a volume that readers do not notice and the next call repairs (I2).
//!
//! It works on an open directory and needs no mount. Calls for one volume must not overlap.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::FileType;

use crate::dir::{Dir, Entry, kind};
use crate::error::{During, StepError};
use crate::generation::{self, Look, Ownership};
use crate::layout::{self, Content, DATA, DATA_TMP, LINK_TMP};
use crate::payload::Payload;
use crate::record::{self, Record};
use crate::remove::{erase, remove_tree};

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The volume held exactly these files; no file was touched. Leftovers of a killed write are gone.
    Unchanged,
    /// A new generation is in place. The one before it is still there, shown by nothing: a reader whose path walk
    /// began before the switch finds its file ([`Volumes::sweep`](crate::Volumes::sweep) removes it).
    Written,
}

/// Everything about one write besides the volume.
pub(crate) struct Write<'a> {
    pub(crate) payload: &'a Payload,
    pub(crate) record: &'a Record,
    pub(crate) ownership: Ownership,
    /// Mode of the volume's root if there is no group.
    pub(crate) root_mode: u32,
    pub(crate) now: Timestamp,
}

impl Write<'_> {
    /// Makes the volume, which has been found to show this, show the payload.
    pub(crate) fn to(&self, root: &Dir, found: Content) -> Result<Replaced, StepError> {
        self.attempt(root, found).map_err(|error| error.with_room_of(root))
    }

    /// Fills a volume that is new, which nothing is known of yet and nothing has to be looked for in. A failure, or a
    /// kill, leaves it incomplete: the link that shows the generation comes last.
    pub(crate) fn first(&self, root: &Dir) -> Result<(), StepError> {
        let look = Look::of(root, self.ownership);
        let filled = look
            .own_dir(root, self.root_mode)
            .during(|| "set owner and mode of the volume".into())
            .and_then(|()| self.write_generation(root, &look))
            .and_then(|generation| {
                for name in self.payload.top_names() {
                    create_link(root, name, &layout::link_text(name), &look)
                        .during(|| format!("create link {name}"))?;
                }
                create_link(root, DATA, &generation, &look).during(|| format!("create {DATA}"))
            });
        filled.map_err(|error| error.with_room_of(root))
    }

    fn attempt(&self, root: &Dir, found: Content) -> Result<Replaced, StepError> {
        let look = Look::of(root, self.ownership);
        look.own_dir(root, self.root_mode).during(|| "set owner and mode of the volume".into())?;
        let current = match found {
            Content::Committed { generation } => Some(generation),
            Content::ProviderWritten { .. } => {
                sweep_unshown(root).during(|| "remove leftovers".into())?;
                None
            }
            Content::Incomplete => {
                erase(root).during(|| "remove incomplete files".into())?;
                None
            }
        };
        if let Some(name) = &current {
            // Also makes room for the new generation.
            tidy(root, name, None, &look).during(|| "remove leftovers".into())?;
            let generation = root.dir(name).during(|| "open the current generation".into())?;
            if generation::holds(&generation, self.payload, &look) {
                record::refresh(&generation, self.record, self.now);
                return Ok(Replaced::Unchanged);
            }
        }
        let written = self.write_generation(root, &look).and_then(|name| {
            self.show(root, &name, &look)?;
            Ok(name)
        });
        match written {
            Ok(name) => {
                // The new generation is shown; what could not be removed is removed by the next write.
                if let Err(error) = tidy(root, &name, current.as_deref(), &look) {
                    tracing::warn!(%error, "leftovers of the previous generation remain in the volume");
                }
                Ok(Replaced::Written)
            }
            Err(error) => Err(self.abandon(root, current.as_deref(), &look, error)),
        }
    }

    fn write_generation(&self, root: &Dir, look: &Look) -> Result<PathBuf, StepError> {
        let name = create_generation(root, self.now, look).during(|| "create the new generation".into())?;
        let generation = root.dir(&name).during(|| "open the new generation".into())?;
        generation::fill(&generation, self.payload, look)?;
        record::store(&generation, self.record, self.now);
        Ok(name)
    }

    /// The step that readers see.
    fn show(&self, root: &Dir, generation: &Path, look: &Look) -> Result<(), StepError> {
        for name in self.payload.top_names() {
            if root.stat(name).during(|| format!("look at {name}"))?.is_none() {
                create_link(root, name, &layout::link_text(name), look)
                    .during(|| format!("create link {name}"))?;
            }
        }
        create_link(root, DATA_TMP, generation, look).during(|| format!("create {DATA_TMP}"))?;
        root.rename(DATA_TMP, DATA).during(|| format!("rename {DATA_TMP} to {DATA}"))
    }

    /// Removes what a failed write left; the volume shows what it showed before.
    fn abandon(&self, root: &Dir, current: Option<&Path>, look: &Look, error: StepError) -> StepError {
        let error = error.with_room_of(root);
        let removed = match current {
            Some(name) => tidy(root, name, None, look),
            None => sweep_unshown(root),
        };
        if let Err(error) = removed {
            tracing::warn!(%error, "leftovers of a failed write remain in the volume");
        }
        error
    }
}

/// Removes everything but the generation that is shown. Needs a volume that shows one.
pub(crate) fn sweep(root: &Dir, generation: &Path, ownership: Ownership) -> io::Result<()> {
    tidy(root, generation, None, &Look::of(root, ownership))
}

/// Makes the top of the volume say what the generation holds: the link to it, one link for each of its names,
/// nothing else but the generation before it, if that is to stay. Files that a provider wrote itself give way to
/// links in one step each.
fn tidy(root: &Dir, generation: &Path, before: Option<&Path>, look: &Look) -> io::Result<()> {
    let entries = root.dir(generation)?.entries()?.into_iter();
    let names: BTreeSet<_> =
        entries.map(|entry| entry.name).filter(|name| !layout::is_hidden(name)).collect();
    names.iter().try_for_each(|name| ensure_link(root, name, look))?;
    let (hidden, visible): (Vec<_>, Vec<_>) =
        root.entries()?.into_iter().map(|entry| entry.name).partition(|name| layout::is_hidden(name));
    visible.iter().filter(|name| !names.contains(*name)).try_for_each(|name| remove_tree(root, name))?;
    // What the visible names led to goes last.
    let kept = |name: &OsString| {
        name == DATA
            || name == generation.as_os_str()
            || before.is_some_and(|before| name == before.as_os_str())
    };
    hidden.iter().filter(|name| !kept(name)).try_for_each(|name| remove_tree(root, name))
}

/// Makes `name` at the top a link to the file or directory of that name in the generation.
fn ensure_link(root: &Dir, name: &OsStr, look: &Look) -> io::Result<()> {
    let text = layout::link_text(name);
    // Mostly it is one already, and one look is enough.
    if root.link_text(name)?.as_ref() == Some(&text) {
        return Ok(());
    }
    let Some(stat) = root.stat(name)? else {
        return create_link(root, name, &text, look);
    };
    remove_tree(root, LINK_TMP)?;
    create_link(root, LINK_TMP, &text, look)?;
    if kind(&stat) != FileType::Directory {
        return root.rename(LINK_TMP, name);
    }
    root.exchange(LINK_TMP, name)?;
    remove_tree(root, LINK_TMP)
}

/// Removes what a write began in a volume that shows no generation: hidden names other than the marks, and links
/// that lead nowhere.
fn sweep_unshown(root: &Dir) -> io::Result<()> {
    for Entry { name, .. } in root.entries()? {
        let begun = match layout::is_hidden(&name) {
            true => name != layout::PENDING && name != layout::PROVIDER_WRITTEN,
            false => root.link_text(&name)?.is_some_and(|text| text == layout::link_text(&name)),
        };
        if begun {
            remove_tree(root, &name)?;
        }
    }
    Ok(())
}

/// A link with the volume's label.
fn create_link(root: &Dir, name: impl AsRef<Path>, text: &Path, look: &Look) -> io::Result<()> {
    root.create_link(&name, text)?;
    look.dress_link(root, name)
}

fn create_generation(root: &Dir, now: Timestamp, look: &Look) -> io::Result<PathBuf> {
    loop {
        let name = layout::generation_name(now);
        match root.create_dir(&name, look.new_dir_mode()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|()| PathBuf::from(name)),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod whole;
