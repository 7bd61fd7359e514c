use super::*;

fn gate(concurrency: usize) -> Arc<Gate> {
    Gate::new(GateOptions { concurrency, waiting: 8, ..GateOptions::default() })
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A gate whose vault has answered once.
async fn warm(concurrency: usize) -> Arc<Gate> {
    let gate = gate(concurrency);
    gate.enter(Lane::Mount, soon()).await.expect("a pass").settle(&Verdict::Answered);
    gate
}

/// Asks for a pass in a task of its own and lets it run up to where it waits.
async fn ask(gate: &Arc<Gate>, lane: Lane) -> tokio::task::JoinHandle<Result<Pass, Turned>> {
    ask_until(gate, lane, soon()).await
}

async fn ask_until(
    gate: &Arc<Gate>,
    lane: Lane,
    deadline: Instant,
) -> tokio::task::JoinHandle<Result<Pass, Turned>> {
    let gate = Arc::clone(gate);
    let task = tokio::spawn(async move { gate.enter(lane, deadline).await });
    tokio::task::yield_now().await;
    task
}

async fn settled_time() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

#[tokio::test(start_paused = true)]
async fn a_cold_vault_gets_one_request_first() {
    let gate = gate(64);
    let pilot = gate.enter(Lane::Mount, soon()).await.expect("a pass");
    let second = ask(&gate, Lane::Mount).await;
    let third = ask(&gate, Lane::Mount).await;
    assert!(!second.is_finished());
    pilot.settle(&Verdict::Answered);
    let (second, third) = (second.await.expect("no panic"), third.await.expect("no panic"));
    assert!(second.is_ok() && third.is_ok());
}

#[tokio::test(start_paused = true)]
async fn but_not_for_long_and_not_after_a_failure() {
    let slow = gate(64);
    let _pilot = slow.enter(Lane::Mount, soon()).await.expect("a pass");
    let asked = Instant::now();
    assert!(slow.enter(Lane::Mount, soon()).await.is_ok());
    assert_eq!(asked.elapsed(), GateOptions::default().warm_up);
    let dead = gate(64);
    let pilot = dead.enter(Lane::Mount, soon()).await.expect("a pass");
    let second = ask(&dead, Lane::Mount).await;
    pilot.settle(&Verdict::Lost);
    assert!(second.await.expect("no panic").is_ok());
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_bounded_and_abandoned_places_are_free_again() {
    let gate = warm(2).await;
    let first = gate.enter(Lane::Mount, soon()).await.expect("a pass");
    let second = gate.enter(Lane::Mount, soon()).await.expect("a pass");
    let given_up = ask(&gate, Lane::Mount).await;
    let patient = ask(&gate, Lane::Mount).await;
    given_up.abort();
    settled_time().await;
    drop(first);
    assert!(patient.await.expect("no panic").is_ok());
    drop(second);
    assert!(gate.is_idle());
}

#[tokio::test(start_paused = true)]
async fn first_mounts_pass_before_rotations() {
    let gate = warm(1).await;
    let busy = gate.enter(Lane::Mount, soon()).await.expect("a pass");
    let rotation = ask(&gate, Lane::Rotation).await;
    let mount = ask(&gate, Lane::Mount).await;
    busy.settle(&Verdict::Answered);
    let mount = mount.await.expect("no panic").expect("a pass");
    assert!(!rotation.is_finished());
    mount.settle(&Verdict::Answered);
    assert!(rotation.await.expect("no panic").is_ok());
}

#[tokio::test(start_paused = true)]
async fn after_a_429_one_probe_then_the_rest_little_by_little() {
    let gate = warm(64).await;
    gate.enter(Lane::Mount, soon())
        .await
        .expect("a pass")
        .settle(&Verdict::Throttled(Some(Duration::from_secs(5))));
    let mut waiting = Vec::new();
    for _ in 0..6 {
        waiting.push(ask(&gate, Lane::Mount).await);
    }
    let finished =
        |waiting: &[tokio::task::JoinHandle<_>]| waiting.iter().filter(|w| w.is_finished()).count();
    tokio::time::sleep(Duration::from_millis(4990)).await;
    assert_eq!(finished(&waiting), 0);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(finished(&waiting), 1, "one probe");
    let probe = waiting.remove(0).await.expect("no panic").expect("a pass");
    probe.settle(&Verdict::Answered);
    settled_time().await;
    assert_eq!(finished(&waiting), 2, "one answer makes room for two");
    for _ in 0..2 {
        waiting.remove(0).await.expect("no panic").expect("a pass").settle(&Verdict::Answered);
    }
    settled_time().await;
    assert_eq!(finished(&waiting), 3, "the rest");
}

#[tokio::test(start_paused = true)]
async fn exceptions_close_nothing_until_they_are_none() {
    async fn ask_once(gate: &Arc<Gate>, verdict: &Verdict) -> bool {
        gate.enter(Lane::Mount, soon()).await.expect("a pass").settle(verdict)
    }
    let pause = |seconds| Verdict::Throttled(Some(Duration::from_secs(seconds)));
    let gate = gate(64);
    for _ in 0..32 - EXCEPTIONS + 1 {
        ask_once(&gate, &Verdict::Answered).await;
    }
    // One in ten for ever, and nobody but those who are refused waits.
    for nth in 1..1000 {
        let verdict = if nth % 10 == 0 { pause(1) } else { Verdict::Answered };
        ask_once(&gate, &verdict).await;
        assert_eq!(gate.closed_for(), None, "{nth}");
    }
    // More and more, with and without a pause that they ask for.
    let mut alone = 0;
    while !ask_once(&gate, &if alone % 2 == 0 { pause(2) } else { Verdict::Throttled(None) }).await {
        alone += 1;
    }
    assert!((EXCEPTIONS - 4..EXCEPTIONS).contains(&alone), "{alone}");
    // The probe is refused, too: whatever the others say, nothing is to be had now.
    gate.state().refusals = 0;
    assert!(ask_once(&gate, &pause(1)).await);
}

#[tokio::test(start_paused = true)]
async fn no_exception_is_a_long_pause_or_the_first_word_of_a_vault() {
    let refused = |seconds| Verdict::Throttled(Some(Duration::from_secs(seconds)));
    for (answers, idle, pause, closes) in [
        (25, Duration::ZERO, 2, false),
        (25, Duration::ZERO, 3, true),
        (23, Duration::ZERO, 2, true),
        (25, COLD_AFTER, 2, true),
    ] {
        let gate = gate(64);
        for _ in 0..answers {
            gate.enter(Lane::Mount, soon()).await.expect("a pass").settle(&Verdict::Answered);
        }
        tokio::time::sleep(idle).await;
        let pass = gate.enter(Lane::Mount, soon()).await.expect("a pass");
        assert_eq!(pass.settle(&refused(pause)), closes, "{answers} {idle:?} {pause}");
        assert_eq!(gate.closed_for().is_some(), closes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_probe_closes_the_gate_anew_for_those_who_wait() {
    let gate = warm(64).await;
    gate.enter(Lane::Mount, soon())
        .await
        .expect("a pass")
        .settle(&Verdict::Throttled(Some(Duration::from_secs(1))));
    let first = ask(&gate, Lane::Mount).await;
    let second = ask(&gate, Lane::Mount).await;
    tokio::time::sleep(Duration::from_millis(1010)).await;
    let probe = first.await.expect("no panic").expect("a pass");
    probe.settle(&Verdict::Throttled(Some(Duration::from_secs(3))));
    tokio::time::sleep(Duration::from_millis(2900)).await;
    assert!(!second.is_finished());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(second.await.expect("no panic").is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_429s_is_one_strike_and_a_late_success_does_not_open() {
    let gate = warm(64).await;
    let mut passes = Vec::new();
    for _ in 0..10 {
        passes.push(gate.enter(Lane::Mount, soon()).await.expect("a pass"));
    }
    let late = passes.pop().expect("a pass");
    for pass in passes {
        pass.settle(&Verdict::Throttled(None));
    }
    let pause = gate.closed_for().expect("closed");
    assert!(pause <= PAUSE.0 * 3, "one step of the back-off, not nine: {pause:?}");
    late.settle(&Verdict::Answered);
    assert!(gate.closed_for().is_some());
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_and_stay_bounded() {
    let gate = warm(64).await;
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        let deadline = Instant::now() + Duration::from_secs(3600);
        gate.enter(Lane::Mount, deadline).await.expect("a pass").settle(&Verdict::Throttled(None));
        let pause = gate.closed_for().expect("closed");
        assert!((PAUSE.0..=PAUSE.1).contains(&pause), "{pause:?}");
        longest = longest.max(pause);
    }
    assert!(longest > Duration::from_secs(10), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn rotations_heed_a_long_pause_and_first_mounts_probe_ever_more_rarely() {
    let gate = warm(64).await;
    let day = Duration::from_secs(86_400);
    gate.enter(Lane::Mount, soon()).await.expect("a pass").settle(&Verdict::Throttled(Some(day)));
    let asked = Instant::now();
    let turned = gate.enter(Lane::Rotation, asked + Duration::from_secs(100)).await.err();
    assert_eq!(turned, Some(Turned::Throttled(LONGEST_CLOSURE)), "told at once");
    let mut probes = 0;
    while asked.elapsed() < LONGEST_CLOSURE {
        let first = ask(&gate, Lane::Mount).await;
        let second = ask(&gate, Lane::Mount).await;
        let Ok(probe) = first.await.expect("no panic") else { break };
        second.abort();
        let second = second.await;
        assert!(!matches!(second, Ok(Ok(_))), "one at a time");
        probe.settle(&Verdict::Throttled(Some(day)));
        probes += 1;
    }
    assert!((2..30).contains(&probes), "{probes}");
}

#[tokio::test(start_paused = true)]
async fn a_successful_probe_ends_a_long_pause() {
    let gate = warm(64).await;
    let hour = Duration::from_secs(3600);
    gate.enter(Lane::Mount, soon()).await.expect("a pass").settle(&Verdict::Throttled(Some(hour)));
    let closed = Instant::now();
    gate.enter(Lane::Mount, soon()).await.expect("a probe").settle(&Verdict::Answered);
    assert!(closed.elapsed() <= PAUSE.0 * 3, "{:?}", closed.elapsed());
    assert!(gate.enter(Lane::Rotation, soon()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded() {
    let gate = warm(1).await;
    let _busy = gate.enter(Lane::Mount, soon()).await.expect("a pass");
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(ask(&gate, Lane::Rotation).await);
    }
    assert_eq!(gate.enter(Lane::Mount, soon()).await.err(), Some(Turned::Crowded(8)));
    let deadline = Instant::now() + Duration::from_secs(61);
    for task in waiting {
        assert_eq!(task.await.expect("no panic").err(), Some(Turned::Deadline));
    }
    assert!(Instant::now() < deadline);
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_takes_no_place() {
    let gate = warm(1).await;
    let busy = gate.enter(Lane::Mount, soon()).await.expect("a pass");
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(ask(&gate, Lane::Rotation).await);
    }
    for gone in waiting {
        gone.abort();
        assert!(gone.await.is_err_and(|end| end.is_cancelled()));
    }
    let next = ask(&gate, Lane::Mount).await;
    drop(busy);
    assert!(next.await.expect("no panic").is_ok());
}

#[tokio::test(start_paused = true)]
async fn whose_time_ends_first_goes_first_and_who_was_throttled_keeps_its_place() {
    let gate = warm(1).await;
    let busy = gate.enter(Lane::Rotation, soon()).await.expect("a pass");
    let (first, second) = (soon(), soon() + Duration::from_secs(1));
    let late = ask_until(&gate, Lane::Rotation, second).await;
    let early = ask_until(&gate, Lane::Rotation, first).await;
    let equal = ask_until(&gate, Lane::Rotation, first).await;
    busy.settle(&Verdict::Answered);
    let pass = early.await.expect("no panic").expect("a pass");
    assert!(!late.is_finished() && !equal.is_finished());
    // Its next try lines up where it was: behind its equals, before all others.
    pass.settle(&Verdict::Throttled(Some(Duration::from_secs(1))));
    let again = ask_until(&gate, Lane::Rotation, first).await;
    tokio::time::sleep(Duration::from_millis(1010)).await;
    equal.await.expect("no panic").expect("a pass").settle(&Verdict::Throttled(None));
    let (again, late) = (again.await, late.is_finished());
    assert!(again.expect("no panic").is_ok() && !late);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_a_throttled_vault_cannot_serve_in_time_leaves_at_once() {
    let gate = warm(1).await;
    // One answer in ten seconds.
    for _ in 0..PACE {
        tokio::time::sleep(Duration::from_secs(10)).await;
        gate.enter(Lane::Mount, soon()).await.expect("a pass").settle(&Verdict::Answered);
    }
    // Without a 429 that only says that nobody asked for more; and who gives up is in nobody's way.
    let busy = gate.enter(Lane::Mount, soon()).await.expect("a pass");
    let given_up = ask(&gate, Lane::Rotation).await;
    assert!(!given_up.is_finished());
    given_up.abort();
    settled_time().await;
    busy.settle(&Verdict::Throttled(Some(Duration::from_secs(10))));
    // In a minute there is time for some; the next one is told so, but a pod that waits may always try.
    let mut served = Vec::new();
    for _ in 0..7 {
        served.push(ask(&gate, Lane::Rotation).await);
    }
    let turned = served.iter().filter(|task| task.is_finished()).count();
    assert_eq!(turned, 1, "of seven");
    let last = served.pop().expect("seven").await.expect("no panic").err();
    assert!(matches!(last, Some(Turned::Throttled(wait)) if wait > Duration::from_secs(60)), "{last:?}");
    assert!(!ask(&gate, Lane::Mount).await.is_finished());
}
