//! What happens to the cluster, and what is read off.

use std::sync::Arc;
use std::time::Duration;

use keymount_clock::jitter;
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::figures::{Figures, Phase, Side, Stretch};
use crate::keymount;
use crate::keymount::pod_starts;
use crate::shape::Shape;
use crate::upstream;
use crate::world::World;

/// Whose daemons run on the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Ours.
    Keymount,
    /// The Go driver and provider.
    Upstream,
}

const MINUTE: Duration = Duration::from_secs(60);

/// One part of a run: how long it lasts, and what happens at its beginning.
struct Part {
    name: &'static str,
    lasts: Duration,
    event: Event,
    /// From when on the greatest rate is compared with the mean: what pods demand at their start is no herd.
    settled: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    /// Every pod of the cluster starts.
    Start,
    /// None.
    Nothing,
    /// Every secret gets a new version.
    Release,
    /// The vaults go away.
    Outage,
    /// They are back.
    Recovery,
    /// Every driver and provider starts anew.
    Restart,
}

const fn part(name: &'static str, minutes: u64, event: Event) -> Part {
    Part { name, lasts: Duration::from_secs(minutes * 60), event, settled: Duration::ZERO }
}

/// The life of a cluster.
const LIFE: [Part; 6] = [
    Part { settled: MINUTE, ..part("all pods start", 10, Event::Start) },
    part("an hour of rest", 60, Event::Nothing),
    part("a new version of every secret", 5, Event::Release),
    part("no vault answers", 30, Event::Outage),
    part("the vaults are back", 20, Event::Recovery),
    part("all daemons restart", 15, Event::Restart),
];

/// One vault for all.
const HOT: [Part; 3] = [
    Part { settled: MINUTE, ..part("all pods start", 30, Event::Start) },
    part("at rest", 10, Event::Nothing),
    part("a new version of every secret", 40, Event::Release),
];

/// Everything, at this size: the two stacks beside each other on two threads.
///
/// # Errors
/// When a thread ends without a result.
pub fn figures(shape: Shape) -> anyhow::Result<Figures> {
    std::thread::scope(|threads| {
        let both = |stack| {
            threads.spawn(move || {
                let life = run(shape, stack, &LIFE, shape.vault_limit);
                let hot = run(Shape { vaults: 1, ..shape }, stack, &HOT, shape.hot_limit);
                (life, hot)
            })
        };
        let [ours, theirs] = [Stack::Keymount, Stack::Upstream].map(both);
        let ended = |_| anyhow::anyhow!("a simulation panicked");
        let (ours, theirs) = (ours.join().map_err(ended)?, theirs.join().map_err(ended)?);
        Ok(Figures { shape, life: [ours.0, theirs.0], hot: [ours.1, theirs.1] })
    })
}

/// The same for the size that CI can afford.
///
/// # Errors
/// As [`figures`].
pub fn check_figures() -> anyhow::Result<Figures> {
    figures(Shape::small())
}

/// Requests to the vault of one node at rest, in so long a time after ten intervals of warming up.
#[must_use]
pub fn one_node(shape: Shape, seconds: u64) -> u64 {
    jitter::seed(shape.seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let world = World::new(shape, shape.vault_limit);
        start_pods(&world, Stack::Keymount);
        // Windows are counted whole.
        let warm = (shape.interval_seconds * 10).next_multiple_of(crate::record::WINDOW);
        sleep(Duration::from_secs(warm + seconds)).await;
        let warm = usize::try_from(warm / crate::record::WINDOW).unwrap_or_default();
        let windows = world.record.windows();
        windows.iter().skip(warm).map(|window| u64::from(window.calls())).sum()
    })
}

/// The daemons of all nodes.
enum Nodes {
    Ours(Vec<Arc<keymount::Node>>),
    Theirs(Vec<Arc<upstream::Node>>),
}

fn start_pods(world: &Arc<World>, stack: Stack) -> Nodes {
    let shape = world.shape;
    let later = |start: Duration, pod: futures::future::BoxFuture<'static, ()>| {
        tokio::spawn(async move {
            sleep(start).await;
            pod.await;
        });
    };
    match stack {
        Stack::Keymount => {
            let nodes: Vec<_> = (0..shape.nodes).map(|number| keymount::Node::new(world, number)).collect();
            for node in &nodes {
                for volume in 0..shape.volumes_per_node {
                    later(pod_starts(), Box::pin(Arc::clone(node).start_pod(volume)));
                }
            }
            Nodes::Ours(nodes)
        }
        Stack::Upstream => {
            let nodes: Vec<_> = (0..shape.nodes).map(|number| upstream::Node::new(world, number)).collect();
            for node in &nodes {
                for volume in 0..shape.volumes_per_node {
                    later(pod_starts(), Box::pin(Arc::clone(node).pod(volume)));
                }
            }
            Nodes::Theirs(nodes)
        }
    }
}

/// One run: its parts one after the other.
fn run(shape: Shape, stack: Stack, parts: &[Part], limit: u32) -> Side {
    jitter::seed(shape.seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let world = World::new(shape, limit);
        tokio::spawn(Arc::clone(&world).look());
        let mut nodes = None;
        let mut phases = Vec::new();
        for part in parts {
            let from = world.record.now();
            happen(part.event, &world, stack, &mut nodes);
            sleep(part.lasts).await;
            let windows = world.record.windows();
            phases.push(Phase::of(&Stretch {
                name: part.name,
                from,
                windows: &windows[from.min(windows.len())..],
                settled: usize::try_from(part.settled.as_secs() / crate::record::WINDOW).unwrap_or_default(),
                ages: &world.ages(),
                reached: match part.event {
                    Event::Nothing | Event::Outage => None,
                    _ => Some(world.reached()),
                },
            }));
        }
        Side::of(phases, &world.record.windows())
    })
}

fn happen(event: Event, world: &Arc<World>, stack: Stack, nodes: &mut Option<Nodes>) {
    match event {
        Event::Start => *nodes = Some(start_pods(world, stack)),
        Event::Nothing => {}
        Event::Release => world.aim(world.azure.release()),
        Event::Outage => world.azure.away(true),
        Event::Recovery => {
            world.azure.away(false);
            world.aim(world.azure.version());
        }
        Event::Restart => {
            world.aim(world.azure.version());
            match nodes {
                Some(Nodes::Ours(nodes)) => nodes.iter().for_each(|node| node.restart()),
                Some(Nodes::Theirs(nodes)) => nodes.iter().for_each(|node| node.restart()),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that can happen, quickly.
    const BRIEF: [Part; 5] = [
        part("", 3, Event::Start),
        part("", 3, Event::Release),
        part("", 4, Event::Outage),
        part("", 3, Event::Recovery),
        part("", 4, Event::Restart),
    ];

    #[test]
    fn one_seed_gives_one_result_and_another_seed_another() {
        let shape = Shape { nodes: 4, classes: 20, vaults: 2, vault_limit: 30, ..Shape::small() };
        let brief = |seed, stack| run(Shape { seed, ..shape }, stack, &BRIEF, shape.vault_limit);
        for stack in [Stack::Keymount, Stack::Upstream] {
            let first = brief(7, stack);
            assert!(first == brief(7, stack), "{stack:?}");
            assert!(first != brief(8, stack), "{stack:?}");
            assert!(first.throttled.iter().any(|throttled| *throttled > 0), "limits are met");
        }
    }

    /// What `docs/scale.md` promises of five thousand nodes holds for twenty, too.
    #[test]
    fn nobody_comes_in_herds_and_every_volume_is_served() {
        let shape = Shape { nodes: 20, ..Shape::small() };
        let side = run(shape, Stack::Keymount, &BRIEF, shape.vault_limit);
        for phase in &side.phases {
            assert!(!matches!(phase.reached, Some(None)), "{phase:?}");
        }
        let restarted = side.phases.last().expect("a phase");
        assert!(restarted.peak_to_mean <= 2.0, "{restarted:?}");
    }
}
