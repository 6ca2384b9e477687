use super::*;
use proptest::prelude::*;

const BUSY: Change = Change::Gone { cause: Some(HangupCause::NORMAL_CLEARING), sip: Some(486), heard: None };
const GONE: Change = Change::Gone { cause: Some(HangupCause::NORMAL_CLEARING), sip: None, heard: None };
const FAR: Uuid = Uuid::from_u128(77);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A call of 2 s that was due 3 ms before it was sent, told these changes so many milliseconds after it was sent.
fn tell(changes: &[(u64, Change)]) -> (Call, Shard, Instant, Step) {
    let sent = Instant::now();
    let mut shard = Shard::single();
    let labels = Labels::default();
    shard.scheduled(labels);
    shard.attempted(labels, ms(3));
    let placement = Placement { attempt: 0, due: sent - ms(3), labels, hold: ms(2000), has_slot: true, passed: false };
    let mut call = Call::new(&placement, ms(60_000), None, sent);
    let mut step = Step::Wait;
    for (at, change) in changes {
        assert_eq!(step, Step::Wait, "before {change:?}");
        step = call.on(*change, sent + ms(*at), &mut shard);
    }
    (call, shard, sent, step)
}

/// Its alarm goes off. It has no app that does anything.
fn alarm(call: &mut Call, now: Instant, shard: &mut Shard) -> Step {
    let mut acts = Vec::new();
    let step = call.on_alarm(now, &Context::sample(), shard, &mut acts);
    assert_eq!(acts, []);
    step
}

/// The alarm that it waits for goes off.
fn alarm_of(call: &mut Call, shard: &mut Shard) -> Step {
    let now = call.alarm();
    alarm(call, now, shard)
}

/// The one sample of a latency, in milliseconds.
fn measured(shard: &Shard, latency: Latency) -> Option<u64> {
    let samples = shard.samples_of(latency);
    assert!(samples.len() <= 1, "{latency:?}: {samples:?}");
    samples.first().map(|micros| micros / 1000)
}

#[test]
fn an_answered_call_is_hung_up_after_its_hold_and_completes() {
    let answered = [(2, Change::Created), (5, Change::Progressed), (40, Change::Answered), (60, Change::Job(Ok(())))];
    let (mut call, mut shard, sent, _) = tell(&answered);
    assert_eq!(call.alarm(), sent + ms(2040));
    assert!(!call.awaited());
    assert_eq!(alarm(&mut call, sent + ms(2040), &mut shard), Step::HangUp);
    assert!(call.awaited());
    assert_eq!(call.on(Change::HungUp, sent + ms(2045), &mut shard), Step::Wait);
    assert_eq!(call.on(GONE, sent + ms(2060), &mut shard), Step::End(Outcome::Completed));
    for (latency, milliseconds) in [
        (Latency::Originate, 2),
        (Latency::PostDialDelay, 5),
        (Latency::Setup, 43),
        (Latency::SetupUncorrected, 40),
        (Latency::Hold, 2005),
        (Latency::Teardown, 20),
    ] {
        assert_eq!(measured(&shard, latency), Some(milliseconds), "{latency:?}");
    }
    assert_eq!(shard.all().answered, 1);
    let record = call.record(Uuid::nil(), 4, Outcome::Completed, sent + ms(2060));
    let after = |at: Option<Instant>| at.map(|at| (at - sent).as_millis());
    assert_eq!((after(record.created), after(record.answered), after(record.hung_up)), (Some(2), Some(40), Some(2045)));
}

#[test]
fn a_busy_callee_is_a_failure_by_its_cause_whenever_the_job_says_so() {
    let refused = Change::Job(Err(Refusal::Other));
    let failed = Step::End(Outcome::Failed { cause: HangupCause::NORMAL_CLEARING, sip: Some(486) });
    assert_eq!(tell(&[(2, Change::Created), (20, Change::HungUp), (21, BUSY)]).3, failed);
    assert_eq!(tell(&[(2, Change::Created), (20, refused), (21, Change::HungUp), (22, BUSY)]).3, failed);
    assert_eq!(tell(&[(1, refused), (2, Change::Created), (21, BUSY)]).3, failed, "out of order");
}

#[test]
fn a_refused_call_has_no_channel() {
    let refused = Change::Job(Err(Refusal::Limit));
    let (mut call, mut shard, sent, step) = tell(&[(2, refused)]);
    assert_eq!((step, call.alarm()), (Step::Wait, sent + ms(252)));
    assert_eq!(alarm_of(&mut call, &mut shard), Step::End(Outcome::Refused(Refusal::Limit)));
    // An unknown profile makes a channel that never was one.
    let bare = Change::Gone { cause: None, sip: None, heard: None };
    let refused = Change::Job(Err(Refusal::Endpoint));
    assert_eq!(tell(&[(2, bare), (3, refused)]).3, Step::End(Outcome::Refused(Refusal::Endpoint)));
    assert_eq!(tell(&[(2, refused), (3, bare)]).3, Step::End(Outcome::Refused(Refusal::Endpoint)));
}

#[test]
fn a_callee_that_hangs_up_drops_the_call() {
    let dropped = [(2, Change::Created), (40, Change::Answered), (540, Change::HungUp), (541, GONE)];
    let (_, shard, _, step) = tell(&dropped);
    assert_eq!(step, Step::End(Outcome::Dropped));
    assert_eq!(measured(&shard, Latency::Hold), Some(500));
    // Also where its end is seen only after this program asked for it.
    let (mut call, mut shard, sent, _) = tell(&dropped[..3]);
    assert_eq!(call.hang_up(sent + ms(541), Why::Stopped), Step::HangUp);
    assert_eq!(call.on(GONE, sent + ms(542), &mut shard), Step::End(Outcome::Dropped));
}

#[test]
fn a_stopped_call_is_canceled_before_its_answer_and_completed_after_it() {
    let (mut call, mut shard, sent, _) = tell(&[(2, Change::Created)]);
    assert_eq!(call.hang_up(sent + ms(10), Why::Stopped), Step::HangUp);
    assert_eq!(call.hang_up(sent + ms(11), Why::Stopped), Step::Wait, "once is enough");
    assert_eq!(call.on(GONE, sent + ms(20), &mut shard), Step::End(Outcome::Canceled));

    let (mut call, mut shard, sent, _) = tell(&[(2, Change::Created), (5, Change::Answered)]);
    assert_eq!(call.hang_up(sent + ms(10), Why::Stopped), Step::HangUp);
    assert_eq!(call.on(GONE, sent + ms(20), &mut shard), Step::End(Outcome::Completed));
}

#[test]
fn a_call_that_is_stopped_before_its_channel_is_there_is_hung_up_when_it_comes() {
    let (mut call, mut shard, sent, _) = tell(&[]);
    assert_eq!(call.hang_up(sent + ms(1), Why::Stopped), Step::HangUp);
    assert_eq!(call.on(Change::Created, sent + ms(2), &mut shard), Step::HangUp);
}

#[test]
fn a_call_without_a_sign_is_lost() {
    let (mut call, mut shard, sent, _) = tell(&[]);
    assert_eq!(call.alarm(), sent + ms(64_000));
    assert_eq!(alarm_of(&mut call, &mut shard), Step::HangUp);
    assert_eq!(call.alarm(), sent + ms(74_000));
    assert_eq!(alarm_of(&mut call, &mut shard), Step::End(Outcome::Lost));
}

#[test]
fn an_answer_whose_event_was_lost_counts_and_is_not_measured() {
    let (mut call, mut shard, sent, _) = tell(&[(2, Change::Created), (40, Change::Job(Ok(())))]);
    assert_eq!(call.alarm(), sent + ms(290));
    assert_eq!(alarm(&mut call, sent + ms(290), &mut shard), Step::Wait);
    assert!(call.answer_missed());
    assert_eq!(call.alarm(), sent + ms(2290));
    assert_eq!(shard.all().answered, 1);
    assert_eq!(measured(&shard, Latency::Setup), None);
}

#[test]
fn a_far_leg_tells_how_long_the_way_was() {
    let (mut call, mut shard, sent, _) = tell(&[(2, Change::Created)]);
    let mut far = |call: &mut Call, at, change| call.on_far(FAR, 1, change, sent + ms(at), &mut shard);
    assert_eq!(far(&mut call, 9, FarChange::Created), Step::Wait);
    assert_eq!(far(&mut call, 30, FarChange::Answered), Step::Wait);
    call.on(Change::Answered, sent + ms(34), &mut shard);
    assert_eq!(measured(&shard, Latency::Invite), Some(7));
    assert_eq!(measured(&shard, Latency::AnswerPropagation), Some(4));
    // The call is over when both of its legs are.
    assert_eq!(call.hang_up(sent + ms(50), Why::Planned), Step::HangUp);
    assert_eq!(call.on(GONE, sent + ms(60), &mut shard), Step::Wait);
    let heard = Heard { packets: 9, mos: 4.5, jitter_seconds: 0.0, loss_ratio: Some(0.0) };
    let gone = FarChange::Gone { cause: Some(HangupCause::NORMAL_CLEARING), heard: Some(heard) };
    assert_eq!(call.on_far(FAR, 1, gone, sent + ms(62), &mut shard), Step::End(Outcome::Completed));
    let far = call.record(Uuid::nil(), 0, Outcome::Completed, sent + ms(62)).far.unwrap();
    // So short a leg's losses are not known.
    let heard = Heard { loss_ratio: None, ..heard };
    assert_eq!((far.uuid, far.slave, far.heard, far.hung_up), (FAR, 1, Some(heard), Some(sent + ms(62))));
}

/// Events of two servers overtake each other.
#[test]
fn a_far_leg_can_be_heard_of_before_the_near_one() {
    let (mut call, mut shard, sent, _) = tell(&[]);
    call.on_far(FAR, 1, FarChange::Created, sent + ms(3), &mut shard);
    call.on_far(FAR, 1, FarChange::Answered, sent + ms(4), &mut shard);
    assert_eq!(measured(&shard, Latency::Invite), None);
    call.on(Change::Created, sent + ms(5), &mut shard);
    call.on(Change::Answered, sent + ms(6), &mut shard);
    assert_eq!(measured(&shard, Latency::Invite), Some(0), "as near as can be told");
    assert_eq!(measured(&shard, Latency::AnswerPropagation), Some(2));
}

#[test]
fn the_last_leg_before_the_answer_is_the_far_one() {
    let (mut call, mut shard, sent, _) = tell(&[(2, Change::Created)]);
    let last = Uuid::from_u128(78);
    for (leg, at, change) in [
        (FAR, 5, FarChange::Created),
        (last, 9, FarChange::Created),
        (last, 20, FarChange::Answered),
        (FAR, 22, FarChange::Answered),
        (FAR, 23, FarChange::Gone { cause: None, heard: None }),
    ] {
        assert_eq!(call.on_far(leg, 2, change, sent + ms(at), &mut shard), Step::Wait);
    }
    assert_eq!(call.far(), Some((last, 2)));
    assert_eq!(measured(&shard, Latency::Invite), Some(7));
}

#[test]
fn a_far_leg_that_stays_is_asked_to_go_and_then_forgotten() {
    let (mut call, mut shard, sent, _) = tell(&[(2, Change::Created)]);
    call.on_far(FAR, 1, FarChange::Created, sent + ms(9), &mut shard);
    let failed = Outcome::Failed { cause: HangupCause::NORMAL_CLEARING, sip: Some(486) };
    assert_eq!(call.on(BUSY, sent + ms(20), &mut shard), Step::Wait);
    assert_eq!(call.alarm(), sent + ms(520));
    assert_eq!(alarm_of(&mut call, &mut shard), Step::HangUpFar);
    assert_eq!(alarm_of(&mut call, &mut shard), Step::End(failed));
}

proptest! {
    /// Whatever a server says, in whatever order, each call ends once, in bounded time, and the identity holds.
    #[test]
    fn every_call_ends(script in prop::collection::vec((0_u64..3000, 0_u8..12), 0..30)) {
        let (mut call, mut shard, sent, _) = tell(&[]);
        let mut now = sent;
        let mut outcome = None;
        for (gap, what) in script {
            now += ms(gap);
            while outcome.is_none() && call.alarm() <= now {
                if let Step::End(end) = alarm_of(&mut call, &mut shard) { outcome = Some(end); }
            }
            if outcome.is_some() { break; }
            let step = match what {
                0 => call.on(Change::Created, now, &mut shard),
                1 => call.on(Change::Progressed, now, &mut shard),
                2 => call.on(Change::Answered, now, &mut shard),
                3 => call.on(Change::HungUp, now, &mut shard),
                4 => call.on(Change::Job(Ok(())), now, &mut shard),
                5 => call.on(Change::Job(Err(Refusal::Limit)), now, &mut shard),
                6 => call.hang_up(now, Why::Stopped),
                7 => call.on_far(FAR, 0, FarChange::Created, now, &mut shard),
                8 => call.on_far(FAR, 0, FarChange::Answered, now, &mut shard),
                9 => call.on_far(FAR, 0, FarChange::HungUp, now, &mut shard),
                10 => call.on_far(FAR, 0, FarChange::Gone { cause: None, heard: None }, now, &mut shard),
                _ => call.on(BUSY, now, &mut shard),
            };
            if let Step::End(end) = step { outcome = Some(end); break; }
        }
        for _ in 0..10 {
            if outcome.is_some() { break; }
            if let Step::End(end) = alarm_of(&mut call, &mut shard) { outcome = Some(end); }
        }
        prop_assert!(outcome.is_some(), "{call:?}");
        prop_assert!(call.alarm() <= sent + ms(60_000 + 4_000 + 2_000 + 10_000 + 250 + 90_000));
        shard.ended(Labels::default(), outcome.unwrap());
        prop_assert!(shard.all().balanced());
        prop_assert!(shard.all().answered <= 1);
    }
}

#[test]
fn a_call_that_had_ended_before_the_connection_broke_is_not_lost() {
    let (mut call, mut shard, sent, _) = tell(&[(2, Change::Created), (40, Change::Answered)]);
    assert_eq!(call.vanished(), Step::End(Outcome::Lost), "it was up");
    call.on_far(FAR, 1, FarChange::Created, sent + ms(9), &mut shard);
    call.hang_up(sent + ms(50), Why::Planned);
    assert_eq!(call.on(GONE, sent + ms(60), &mut shard), Step::Wait);
    assert_eq!(call.vanished(), Step::End(Outcome::Completed));
}

#[test]
fn an_answer_after_it_was_given_up_completes_nothing() {
    let (mut call, mut shard, sent, _) = tell(&[]);
    assert_eq!(alarm_of(&mut call, &mut shard), Step::HangUp);
    call.on(Change::Answered, sent + ms(64_100), &mut shard);
    assert_eq!(call.on(GONE, sent + ms(64_200), &mut shard), Step::End(Outcome::Lost));
}

#[test]
fn the_way_to_a_far_leg_that_is_never_answered_is_measured_too() {
    let (mut call, mut shard, sent, _) = tell(&[(2, Change::Created)]);
    call.on_far(FAR, 1, FarChange::Created, sent + ms(9), &mut shard);
    call.on(BUSY, sent + ms(20), &mut shard);
    assert_eq!(measured(&shard, Latency::Invite), Some(7));
}

#[test]
fn the_way_to_a_far_leg_whose_creation_was_not_seen_is_not_measured() {
    let (mut call, mut shard, sent, _) = tell(&[(2, Change::Created)]);
    call.on_far(FAR, 1, FarChange::Answered, sent + ms(900), &mut shard);
    call.on(Change::Answered, sent + ms(905), &mut shard);
    call.on(GONE, sent + ms(3000), &mut shard);
    assert_eq!((measured(&shard, Latency::Invite), measured(&shard, Latency::AnswerPropagation)), (None, Some(5)));
    let record = call.record(Uuid::nil(), 0, Outcome::Completed, sent + ms(3000));
    assert_eq!(record.far.map(|far| (far.created, far.answered)), Some((None, Some(sent + ms(900)))));
}

#[test]
fn what_events_leave_out_or_tell_in_no_order_has_a_name() {
    let job = Change::Job(Ok(()));
    for (changes, oddity) in [
        (vec![(2, Change::Created), (40, Change::Answered), (41, job)], None),
        (vec![(1, job), (2, Change::Created), (40, Change::Answered)], None),
        (vec![(2, Change::Created), (40, Change::Answered)], Some("job_never_ended")),
        (vec![(40, Change::Answered), (41, job)], Some("creation_missed")),
        (vec![(40, Change::Answered), (41, Change::Created), (42, job)], Some("events_out_of_order")),
        (vec![(2, Change::Created), (3, Change::HungUp), (4, Change::Answered), (5, job)], Some("events_out_of_order")),
    ] {
        let (mut call, mut shard, sent, _) = tell(&changes);
        assert_eq!(call.oddity(sent + ms(3000)), oddity, "{changes:?}");
        call.still_there(true, sent + ms(100), &mut shard);
        assert_eq!(call.oddity(sent + ms(3000)), None, "the connection was away");
    }
    let (call, _, sent, _) = tell(&[(2, Change::Created), (40, Change::Answered)]);
    assert_eq!(call.oddity(sent + ms(500)), None, "a short call's job may be told later");
}
