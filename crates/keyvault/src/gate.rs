//! One gate per vault: how many requests at once, and when none.
//!
//! Three things hold requests back. At most [`GateOptions::concurrency`] are under way. After a 429 the
//! gate closes, for as long as the vault asked or for a growing, jittered while; then one request goes
//! as a probe, and while that works the rest follow, each answer making room for one more. And a vault
//! that has not been asked for a while gets one request first, which opens the connection (and shows
//! whether it is HTTP/2) that the others then use. First mounts always go before rotations,
//! and among either those whose time ends first.
//!
//! A vault that has no more to give refuses nearly everything. Where it has answered a while and a 429 is
//! the exception, and asks for a short pause, only the request that got it waits: to close for all would
//! make many wait for what befell a few.
//!
//! A vault may ask for more patience than a first mount has. Rotations heed it to the letter; first
//! mounts, which would only fail, go as probes on the back-off's own schedule: one at a time, ever more
//! rarely. So a pod starts soon after the vault has recovered, and the vault hardly notices.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keymount_clock::jitter;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// First and longest pause after a 429 that names none.
const PAUSE: (Duration, Duration) = (Duration::from_millis(800), Duration::from_secs(60));

/// The longest that a vault's own word closes the gate: whoever asks for a day gets one probe every
/// two minutes.
const LONGEST_CLOSURE: Duration = Duration::from_secs(120);

/// Connections to a vault are gone after this long without use.
const COLD_AFTER: Duration = Duration::from_secs(80);

/// For so long after a 429 a vault's pace is what it last answered at.
const THROTTLED_FOR: Duration = Duration::from_secs(120);

/// So many answers show that pace.
const PACE: usize = 16;

/// Up to so many 429s among the last 32 answers are the exception.
const EXCEPTIONS: u32 = 8;

/// The longest pause that an exception asks for. Who asks for more speaks of the vault, not of the request.
const BRIEF: Duration = Duration::from_secs(2);

/// Bounds of a gate.
#[derive(Clone, Copy, Debug)]
pub struct GateOptions {
    /// Requests under way at once.
    pub concurrency: usize,
    /// Requests that may wait.
    pub waiting: usize,
    /// How long the first request to a vault that has not been asked for a while is alone.
    pub warm_up: Duration,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self { concurrency: 64, waiting: 4096, warm_up: Duration::from_millis(300) }
    }
}

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A pod waits for it to start.
    Mount,
    /// A running pod's content is looked after.
    Rotation,
}

/// The gate of one vault.
pub(crate) struct Gate {
    options: GateOptions,
    state: Mutex<State>,
}

struct State {
    under_way: usize,
    /// How many may be under way now.
    window: usize,
    closed: Option<Closure>,
    /// Counts closures: an answer to a request of an earlier epoch says nothing about this one.
    epoch: u64,
    last_used: Option<Instant>,
    /// The last 429.
    throttled: Option<Instant>,
    /// The last 32 answers, one bit each: set for a 429, and for what a vault that was cold has not answered yet.
    refusals: u32,
    /// The last answers that were none.
    answered: VecDeque<Instant>,
    /// Set while the first request to a cold vault is alone.
    warming: bool,
    lanes: [VecDeque<Waiting>; 2],
}

struct Waiting {
    deadline: Instant,
    grant: oneshot::Sender<Pass>,
}

struct Closure {
    /// When everybody may try again.
    until: Instant,
    /// When a first mount that cannot wait until then may.
    early: Instant,
    pause: Duration,
    probing: bool,
}

impl Closure {
    /// When a request with this deadline may go.
    fn opens_for(&self, lane: Lane, deadline: Instant) -> Instant {
        if lane == Lane::Mount && self.until > deadline { self.early.min(self.until) } else { self.until }
    }
}

/// Why the gate does not let a request through.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// The vault throttles for longer than the request can wait.
    Throttled(Duration),
    /// The request's time was up while it waited its turn.
    Deadline,
    /// Too many wait.
    Crowded(usize),
}

/// The right to send one request. Dropping it gives the place back.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    epoch: u64,
    settled: bool,
}

/// What became of a request.
pub(crate) enum Verdict {
    /// The vault answered, and not with 429.
    Answered,
    /// 429, with the pause it asked for, if any.
    Throttled(Option<Duration>),
    /// No answer.
    Lost,
}

impl Gate {
    pub(crate) fn new(options: GateOptions) -> Arc<Self> {
        let state = State {
            under_way: 0,
            window: options.concurrency,
            closed: None,
            epoch: 0,
            last_used: None,
            throttled: None,
            refusals: u32::MAX,
            answered: VecDeque::new(),
            warming: false,
            lanes: [VecDeque::new(), VecDeque::new()],
        };
        Arc::new(Self { options, state: Mutex::new(state) })
    }

    /// Waits for this request's turn.
    pub(crate) async fn enter(self: &Arc<Self>, lane: Lane, deadline: Instant) -> Result<Pass, Turned> {
        let mut granted = {
            let mut state = self.state();
            state.settle_cold();
            let opens = state.closed.as_ref().map(|closure| closure.opens_for(lane, deadline));
            if let Some(opens) = opens.filter(|opens| *opens > deadline) {
                return Err(Turned::Throttled(opens - Instant::now()));
            }
            if let Some(wait) = state.too_long(lane, deadline) {
                return Err(Turned::Throttled(wait));
            }
            if state.waiting() >= self.options.waiting {
                state.forget_who_gave_up();
                if state.waiting() >= self.options.waiting {
                    return Err(Turned::Crowded(self.options.waiting));
                }
            }
            let (grant, granted) = oneshot::channel();
            state.line_up(lane, Waiting { deadline, grant });
            self.admit(&mut state);
            granted
        };
        tokio::select! {
            biased;
            pass = &mut granted => pass.map_err(|_| Turned::Deadline),
            () = tokio::time::sleep_until(deadline) => Err(self.out_of_time()),
        }
    }

    /// When the vault may be asked again, if the gate is closed now.
    pub(crate) fn closed_for(&self) -> Option<Duration> {
        let closed = self.state().closed.as_ref().map(|closure| closure.until);
        closed.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Whether nobody uses it and nothing is remembered in it.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.under_way == 0 && state.closed.is_none() && state.lanes.iter().all(VecDeque::is_empty)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn out_of_time(&self) -> Turned {
        self.closed_for().map_or(Turned::Deadline, Turned::Throttled)
    }

    /// Lets in whoever may go at that time, if the gate still exists then.
    fn look_again_at(self: &Arc<Self>, at: Instant) {
        // Without a runtime the process is ending, and nobody waits any more.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let gate = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep_until(at).await;
            if let Some(gate) = gate.upgrade() {
                let mut state = gate.state();
                if state.last_used.is_none_or(|used| used.elapsed() >= gate.options.warm_up) {
                    state.warming = false;
                }
                gate.admit(&mut state);
            }
        });
    }

    /// Lets in whoever may go now, first mounts first.
    fn admit(self: &Arc<Self>, state: &mut State) {
        while let Some(next) = state.next() {
            state.under_way += 1;
            let cold = state.is_cold();
            let now = Instant::now();
            state.last_used = Some(now);
            if cold {
                state.warming = true;
                state.refusals = u32::MAX;
                self.look_again_at(now + self.options.warm_up);
            }
            if let Some(closure) = &mut state.closed {
                closure.probing = true;
            }
            let pass = Pass { gate: Arc::clone(self), epoch: state.epoch, settled: false };
            if let Err(mut refused) = next.grant.send(pass) {
                // Whoever waited has given up; the place is free again, and the lock is held here.
                refused.settled = true;
                state.leave();
                state.warming = false;
            }
        }
    }
}

impl State {
    /// Takes whoever may go now off the queue.
    fn next(&mut self) -> Option<Waiting> {
        let now = Instant::now();
        if let Some(closure) = &self.closed
            && closure.until > now
        {
            if closure.probing || closure.early > now {
                return None;
            }
            let until = closure.until;
            let mounts = &mut self.lanes[Lane::Mount as usize];
            let hasty = mounts.iter().position(|waiting| waiting.deadline < until)?;
            return mounts.remove(hasty);
        }
        let full = match &self.closed {
            Some(closure) => closure.probing,
            None => self.under_way >= if self.warming || self.is_cold() { 1 } else { self.window },
        };
        if full { None } else { self.lanes.iter_mut().find_map(VecDeque::pop_front) }
    }

    /// Whose time ends first goes first. So the requests of one mount stay together, and one that was
    /// throttled keeps its place: where few come through, they complete some mounts rather than parts of
    /// all, which nobody can use.
    fn line_up(&mut self, lane: Lane, waiting: Waiting) {
        let lane = &mut self.lanes[lane as usize];
        let place = lane.iter().rposition(|other| other.deadline <= waiting.deadline);
        lane.insert(place.map_or(0, |before| before + 1), waiting);
    }

    /// How long a rotation would wait at the pace of a vault that throttles, if its time would be up before.
    /// Who cannot be served in time leaves at once and costs nothing; in the queue it would be the next one
    /// when it has no time left, and what it had by then would be lost.
    fn too_long(&self, lane: Lane, deadline: Instant) -> Option<Duration> {
        let throttled = self.throttled.is_some_and(|at| at.elapsed() < THROTTLED_FOR);
        if lane == Lane::Mount || !throttled || self.answered.len() < PACE {
            return None;
        }
        let before = |waiting: &&Waiting| waiting.deadline <= deadline && !waiting.grant.is_closed();
        let ahead = self.lanes.iter().flatten().filter(before).count();
        let each = self.answered.front()?.elapsed() / u32::try_from(PACE).unwrap_or(u32::MAX);
        let wait = each.saturating_mul(u32::try_from(ahead + 1).unwrap_or(u32::MAX));
        (Instant::now() + wait > deadline).then_some(wait)
    }

    fn waiting(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }

    /// Whoever gave up is otherwise found when its turn comes.
    fn forget_who_gave_up(&mut self) {
        for lane in &mut self.lanes {
            lane.retain(|waiting| !waiting.grant.is_closed());
        }
    }

    fn is_cold(&self) -> bool {
        self.last_used.is_none_or(|used| used.elapsed() >= COLD_AFTER)
    }

    /// A warm-up ends by an answer; one that was abandoned must not outlive the requests.
    fn settle_cold(&mut self) {
        if self.under_way == 0 {
            self.warming = false;
        }
    }

    fn leave(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(closure) = &mut self.closed {
            closure.probing = false;
        }
    }

    /// Whether a vault that has just refused a request, and asked for this pause, has room for others.
    fn is_exception(&self, asked: Option<Duration>) -> bool {
        self.closed.is_none()
            && self.refusals.count_ones() <= EXCEPTIONS
            && asked.is_none_or(|asked| asked <= BRIEF)
    }

    /// Closes the gate; says when it opens for first mounts in a hurry, and for all.
    fn close(&mut self, asked: Option<Duration>) -> [Instant; 2] {
        let pause = decorrelated(self.closed.as_ref().map_or(PAUSE.0, |closure| closure.pause));
        let early = Instant::now() + pause;
        let until = asked.map_or(early, |asked| Instant::now() + asked.min(LONGEST_CLOSURE));
        self.epoch += 1;
        self.window = 1;
        self.closed = Some(Closure { until, early, pause, probing: false });
        [early, until]
    }
}

impl Pass {
    /// Tells the gate how the request ended. `false` for a 429 that it does not close for: this request has to
    /// wait by itself before it asks for its next turn.
    pub(crate) fn settle(mut self, verdict: &Verdict) -> bool {
        let gate = Arc::clone(&self.gate);
        let mut state = gate.state();
        self.settled = true;
        let current = self.epoch == state.epoch;
        state.last_used = Some(Instant::now());
        state.under_way = state.under_way.saturating_sub(1);
        state.warming = false;
        match verdict {
            Verdict::Throttled(_) => {
                state.throttled = state.last_used;
                state.refusals = state.refusals << 1 | 1;
            }
            Verdict::Answered => {
                state.refusals <<= 1;
                if state.answered.len() == PACE {
                    state.answered.pop_front();
                }
                state.answered.push_back(Instant::now());
            }
            Verdict::Lost => {}
        }
        let mut closes = true;
        match verdict {
            Verdict::Throttled(asked) if current && state.is_exception(*asked) => closes = false,
            Verdict::Throttled(asked) if current => {
                for opens in state.close(*asked) {
                    gate.look_again_at(opens);
                }
            }
            // Sent before the gate closed: only its word about how long still counts.
            Verdict::Throttled(Some(asked)) => {
                let until = Instant::now() + (*asked).min(LONGEST_CLOSURE);
                if let Some(closure) = &mut state.closed
                    && closure.until < until
                {
                    closure.until = until;
                    gate.look_again_at(until);
                }
            }
            Verdict::Throttled(None) => {}
            Verdict::Answered if current => {
                state.closed = None;
                state.window = (state.window + 1).min(gate.options.concurrency);
            }
            Verdict::Answered => {}
            Verdict::Lost if current => {
                if let Some(closure) = &mut state.closed {
                    closure.probing = false;
                }
            }
            Verdict::Lost => {}
        }
        gate.admit(&mut state);
        closes
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.settled {
            let gate = Arc::clone(&self.gate);
            let mut state = gate.state();
            state.under_way = state.under_way.saturating_sub(1);
            if self.epoch == state.epoch
                && let Some(closure) = &mut state.closed
            {
                closure.probing = false;
            }
            state.warming = false;
            gate.admit(&mut state);
        }
    }
}

/// A pause between the last one and three times that: callers that were throttled together drift
/// apart, and a vault that stays throttled is asked less and less.
fn decorrelated(last: Duration) -> Duration {
    (last + last.saturating_mul(2).mul_f64(jitter::fraction())).min(PAUSE.1)
}

#[cfg(test)]
mod tests;
