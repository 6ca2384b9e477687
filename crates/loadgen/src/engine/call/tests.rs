use super::*;
use crate::config::template::Context;
use crate::measure::{Latency, SlaveRecorder};
use proptest::prelude::*;

const BUSY: NearLegEvent = NearLegEvent::Gone { cause: Some(HangupCause::NORMAL_CLEARING), sip: Some(486), rtp: None };
const GONE: NearLegEvent = NearLegEvent::Gone { cause: Some(HangupCause::NORMAL_CLEARING), sip: None, rtp: None };
const FAR: Uuid = Uuid::from_u128(77);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A call of 2 s that was due 3 ms before it was sent, told these changes so many milliseconds after it was sent.
fn tell(changes: &[(u64, NearLegEvent)]) -> (Call, SlaveRecorder, Instant, Transition) {
    let sent = Instant::now();
    let mut recorder = SlaveRecorder::single();
    let labels = Labels::default();
    recorder.scheduled(labels);
    recorder.attempted(labels, ms(3));
    let placement = Placement { attempt: 0, due: sent - ms(3), labels, hold: ms(2000) };
    let mut call = Call::new(&placement, ms(60_000), None, sent);
    let mut transition = Transition::Wait;
    for (at, change) in changes {
        assert_eq!(transition, Transition::Wait, "before {change:?}");
        transition = call.on(*change, sent + ms(*at), &mut recorder);
    }
    (call, recorder, sent, transition)
}

/// Its alarm goes off. It has no app that does anything.
fn next_deadline(call: &mut Call, now: Instant, recorder: &mut SlaveRecorder) -> Transition {
    let reaction = call.on_deadline(now, &Context::sample(), recorder);
    assert_eq!(reaction.commands, []);
    reaction.transition
}

/// The alarm that it waits for goes off.
fn alarm_of(call: &mut Call, recorder: &mut SlaveRecorder) -> Transition {
    let now = call.next_deadline();
    next_deadline(call, now, recorder)
}

/// The one sample of a latency, in milliseconds.
fn measured(recorder: &SlaveRecorder, latency: Latency) -> Option<u64> {
    let samples = recorder.samples_of(latency);
    assert!(samples.len() <= 1, "{latency:?}: {samples:?}");
    samples.first().map(|micros| micros / 1000)
}

#[test]
fn an_answered_call_is_hung_up_after_its_hold_and_completes() {
    let answered = [
        (2, NearLegEvent::Created),
        (5, NearLegEvent::Progressed),
        (40, NearLegEvent::Answered),
        (60, NearLegEvent::Job(Ok(()))),
    ];
    let (mut call, mut recorder, sent, _) = tell(&answered);
    assert_eq!(call.next_deadline(), sent + ms(2040));
    assert!(!call.is_awaiting_measured_event());
    assert_eq!(next_deadline(&mut call, sent + ms(2040), &mut recorder), Transition::HangUp);
    assert!(call.is_awaiting_measured_event());
    assert_eq!(call.on(NearLegEvent::HungUp, sent + ms(2045), &mut recorder), Transition::Wait);
    assert_eq!(call.on(GONE, sent + ms(2060), &mut recorder), Transition::End(Outcome::Completed));
    for (latency, milliseconds) in [
        (Latency::Originate, 2),
        (Latency::PostDialDelay, 5),
        (Latency::Setup, 43),
        (Latency::SetupUncorrected, 40),
        (Latency::Hold, 2005),
        (Latency::Teardown, 20),
    ] {
        assert_eq!(measured(&recorder, latency), Some(milliseconds), "{latency:?}");
    }
    assert_eq!(recorder.all().answered, 1);
    let record = call.record(Uuid::nil(), 4, Outcome::Completed, sent + ms(2060));
    let after = |at: Option<Instant>| at.map(|at| (at - sent).as_millis());
    assert_eq!((after(record.created), after(record.answered), after(record.hung_up)), (Some(2), Some(40), Some(2045)));
}

#[test]
fn a_busy_callee_is_a_failure_by_its_cause_whenever_the_job_says_so() {
    let refused = NearLegEvent::Job(Err(Refusal::Other));
    let failed = Transition::End(Outcome::Failed { cause: HangupCause::NORMAL_CLEARING, sip: Some(486) });
    assert_eq!(tell(&[(2, NearLegEvent::Created), (20, NearLegEvent::HungUp), (21, BUSY)]).3, failed);
    assert_eq!(tell(&[(2, NearLegEvent::Created), (20, refused), (21, NearLegEvent::HungUp), (22, BUSY)]).3, failed);
    assert_eq!(tell(&[(1, refused), (2, NearLegEvent::Created), (21, BUSY)]).3, failed, "out of order");
}

#[test]
fn a_refused_call_has_no_channel() {
    let refused = NearLegEvent::Job(Err(Refusal::Limit));
    let (mut call, mut recorder, sent, transition) = tell(&[(2, refused)]);
    assert_eq!((transition, call.next_deadline()), (Transition::Wait, sent + ms(252)));
    assert_eq!(alarm_of(&mut call, &mut recorder), Transition::End(Outcome::Refused(Refusal::Limit)));
    // An unknown profile makes a channel that never was one.
    let bare = NearLegEvent::Gone { cause: None, sip: None, rtp: None };
    let refused = NearLegEvent::Job(Err(Refusal::Endpoint));
    assert_eq!(tell(&[(2, bare), (3, refused)]).3, Transition::End(Outcome::Refused(Refusal::Endpoint)));
    assert_eq!(tell(&[(2, refused), (3, bare)]).3, Transition::End(Outcome::Refused(Refusal::Endpoint)));
}

#[test]
fn a_callee_that_hangs_up_drops_the_call() {
    let dropped = [(2, NearLegEvent::Created), (40, NearLegEvent::Answered), (540, NearLegEvent::HungUp), (541, GONE)];
    let (_, recorder, _, transition) = tell(&dropped);
    assert_eq!(transition, Transition::End(Outcome::Dropped));
    assert_eq!(measured(&recorder, Latency::Hold), Some(500));
    // Also where its end is seen only after this program asked for it.
    let (mut call, mut recorder, sent, _) = tell(&dropped[..3]);
    assert_eq!(call.hang_up(sent + ms(541), HangupReason::Stopped), Transition::HangUp);
    assert_eq!(call.on(GONE, sent + ms(542), &mut recorder), Transition::End(Outcome::Dropped));
}

#[test]
fn a_stopped_call_is_canceled_before_its_answer_and_completed_after_it() {
    let (mut call, mut recorder, sent, _) = tell(&[(2, NearLegEvent::Created)]);
    assert_eq!(call.hang_up(sent + ms(10), HangupReason::Stopped), Transition::HangUp);
    assert_eq!(call.hang_up(sent + ms(11), HangupReason::Stopped), Transition::Wait, "once is enough");
    assert_eq!(call.on(GONE, sent + ms(20), &mut recorder), Transition::End(Outcome::Canceled));

    let (mut call, mut recorder, sent, _) = tell(&[(2, NearLegEvent::Created), (5, NearLegEvent::Answered)]);
    assert_eq!(call.hang_up(sent + ms(10), HangupReason::Stopped), Transition::HangUp);
    assert_eq!(call.on(GONE, sent + ms(20), &mut recorder), Transition::End(Outcome::Completed));
}

#[test]
fn a_call_that_is_stopped_before_its_channel_is_there_is_hung_up_when_it_comes() {
    let (mut call, mut recorder, sent, _) = tell(&[]);
    assert_eq!(call.hang_up(sent + ms(1), HangupReason::Stopped), Transition::HangUp);
    assert_eq!(call.on(NearLegEvent::Created, sent + ms(2), &mut recorder), Transition::HangUp);
}

#[test]
fn a_call_without_a_sign_is_lost() {
    let (mut call, mut recorder, sent, _) = tell(&[]);
    assert_eq!(call.next_deadline(), sent + ms(64_000));
    assert_eq!(alarm_of(&mut call, &mut recorder), Transition::HangUp);
    assert_eq!(call.next_deadline(), sent + ms(74_000));
    assert_eq!(alarm_of(&mut call, &mut recorder), Transition::End(Outcome::Lost));
}

#[test]
fn an_answer_whose_event_was_lost_counts_and_is_not_measured() {
    let (mut call, mut recorder, sent, _) = tell(&[(2, NearLegEvent::Created), (40, NearLegEvent::Job(Ok(())))]);
    assert_eq!(call.next_deadline(), sent + ms(290));
    assert_eq!(next_deadline(&mut call, sent + ms(290), &mut recorder), Transition::Wait);
    assert!(call.answer_missed());
    assert_eq!(call.next_deadline(), sent + ms(2290));
    assert_eq!(recorder.all().answered, 1);
    assert_eq!(measured(&recorder, Latency::Setup), None);
}

#[test]
fn a_far_leg_tells_how_long_the_way_was() {
    let (mut call, mut recorder, sent, _) = tell(&[(2, NearLegEvent::Created)]);
    let mut far = |call: &mut Call, at, change| call.on_far(FAR, 1, change, sent + ms(at), &mut recorder);
    assert_eq!(far(&mut call, 9, FarLegEvent::Created), Transition::Wait);
    assert_eq!(far(&mut call, 30, FarLegEvent::Answered), Transition::Wait);
    call.on(NearLegEvent::Answered, sent + ms(34), &mut recorder);
    assert_eq!(measured(&recorder, Latency::Invite), Some(7));
    assert_eq!(measured(&recorder, Latency::AnswerPropagation), Some(4));
    // The call is over when both of its legs are.
    assert_eq!(call.hang_up(sent + ms(50), HangupReason::Planned), Transition::HangUp);
    assert_eq!(call.on(GONE, sent + ms(60), &mut recorder), Transition::Wait);
    let rtp = RtpStats { packets: 9, mos: 4.5, jitter_seconds: 0.0, loss_ratio: Some(0.0) };
    let gone = FarLegEvent::Gone { cause: Some(HangupCause::NORMAL_CLEARING), rtp: Some(rtp) };
    assert_eq!(call.on_far(FAR, 1, gone, sent + ms(62), &mut recorder), Transition::End(Outcome::Completed));
    let far = call.record(Uuid::nil(), 0, Outcome::Completed, sent + ms(62)).far.unwrap();
    // So short a leg's losses are not known.
    let rtp = RtpStats { loss_ratio: None, ..rtp };
    assert_eq!((far.uuid, far.slave, far.rtp, far.hung_up), (FAR, 1, Some(rtp), Some(sent + ms(62))));
}

/// Events of two servers overtake each other.
#[test]
fn a_far_leg_can_be_heard_of_before_the_near_one() {
    let (mut call, mut recorder, sent, _) = tell(&[]);
    call.on_far(FAR, 1, FarLegEvent::Created, sent + ms(3), &mut recorder);
    call.on_far(FAR, 1, FarLegEvent::Answered, sent + ms(4), &mut recorder);
    assert_eq!(measured(&recorder, Latency::Invite), None);
    call.on(NearLegEvent::Created, sent + ms(5), &mut recorder);
    call.on(NearLegEvent::Answered, sent + ms(6), &mut recorder);
    assert_eq!(measured(&recorder, Latency::Invite), Some(0), "as near as can be told");
    assert_eq!(measured(&recorder, Latency::AnswerPropagation), Some(2));
}

#[test]
fn the_last_leg_before_the_answer_is_the_far_one() {
    let (mut call, mut recorder, sent, _) = tell(&[(2, NearLegEvent::Created)]);
    let last = Uuid::from_u128(78);
    for (leg, at, change) in [
        (FAR, 5, FarLegEvent::Created),
        (last, 9, FarLegEvent::Created),
        (last, 20, FarLegEvent::Answered),
        (FAR, 22, FarLegEvent::Answered),
        (FAR, 23, FarLegEvent::Gone { cause: None, rtp: None }),
    ] {
        assert_eq!(call.on_far(leg, 2, change, sent + ms(at), &mut recorder), Transition::Wait);
    }
    assert_eq!(call.far_leg(), Some((last, 2)));
    assert_eq!(measured(&recorder, Latency::Invite), Some(7));
}

#[test]
fn a_far_leg_that_stays_is_asked_to_go_and_then_forgotten() {
    let (mut call, mut recorder, sent, _) = tell(&[(2, NearLegEvent::Created)]);
    call.on_far(FAR, 1, FarLegEvent::Created, sent + ms(9), &mut recorder);
    let failed = Outcome::Failed { cause: HangupCause::NORMAL_CLEARING, sip: Some(486) };
    assert_eq!(call.on(BUSY, sent + ms(20), &mut recorder), Transition::Wait);
    assert_eq!(call.next_deadline(), sent + ms(520));
    assert_eq!(alarm_of(&mut call, &mut recorder), Transition::HangUpFarLeg);
    assert_eq!(alarm_of(&mut call, &mut recorder), Transition::End(failed));
}

proptest! {
    /// Whatever a server says, in whatever order, each call ends once, in bounded time, and the identity holds.
    #[test]
    fn every_call_ends(script in prop::collection::vec((0_u64..3000, 0_u8..12), 0..30)) {
        let (mut call, mut recorder, sent, _) = tell(&[]);
        let mut now = sent;
        let mut outcome = None;
        for (gap, what) in script {
            now += ms(gap);
            while outcome.is_none() && call.next_deadline() <= now {
                if let Transition::End(end) = alarm_of(&mut call, &mut recorder) { outcome = Some(end); }
            }
            if outcome.is_some() { break; }
            let transition = match what {
                0 => call.on(NearLegEvent::Created, now, &mut recorder),
                1 => call.on(NearLegEvent::Progressed, now, &mut recorder),
                2 => call.on(NearLegEvent::Answered, now, &mut recorder),
                3 => call.on(NearLegEvent::HungUp, now, &mut recorder),
                4 => call.on(NearLegEvent::Job(Ok(())), now, &mut recorder),
                5 => call.on(NearLegEvent::Job(Err(Refusal::Limit)), now, &mut recorder),
                6 => call.hang_up(now, HangupReason::Stopped),
                7 => call.on_far(FAR, 0, FarLegEvent::Created, now, &mut recorder),
                8 => call.on_far(FAR, 0, FarLegEvent::Answered, now, &mut recorder),
                9 => call.on_far(FAR, 0, FarLegEvent::HungUp, now, &mut recorder),
                10 => call.on_far(FAR, 0, FarLegEvent::Gone { cause: None, rtp: None }, now, &mut recorder),
                _ => call.on(BUSY, now, &mut recorder),
            };
            if let Transition::End(end) = transition { outcome = Some(end); break; }
        }
        for _ in 0..10 {
            if outcome.is_some() { break; }
            if let Transition::End(end) = alarm_of(&mut call, &mut recorder) { outcome = Some(end); }
        }
        prop_assert!(outcome.is_some(), "{call:?}");
        prop_assert!(call.next_deadline() <= sent + ms(60_000 + 4_000 + 2_000 + 10_000 + 250 + 90_000));
        recorder.ended(Labels::default(), outcome.unwrap());
        prop_assert!(recorder.all().balanced());
        prop_assert!(recorder.all().answered <= 1);
    }
}

#[test]
fn a_call_that_had_ended_before_the_connection_broke_is_not_lost() {
    let (mut call, mut recorder, sent, _) = tell(&[(2, NearLegEvent::Created), (40, NearLegEvent::Answered)]);
    assert_eq!(call.vanished(), Transition::End(Outcome::Lost), "it was up");
    call.on_far(FAR, 1, FarLegEvent::Created, sent + ms(9), &mut recorder);
    call.hang_up(sent + ms(50), HangupReason::Planned);
    assert_eq!(call.on(GONE, sent + ms(60), &mut recorder), Transition::Wait);
    assert_eq!(call.vanished(), Transition::End(Outcome::Completed));
}

#[test]
fn an_answer_after_it_was_given_up_completes_nothing() {
    let (mut call, mut recorder, sent, _) = tell(&[]);
    assert_eq!(alarm_of(&mut call, &mut recorder), Transition::HangUp);
    call.on(NearLegEvent::Answered, sent + ms(64_100), &mut recorder);
    assert_eq!(call.on(GONE, sent + ms(64_200), &mut recorder), Transition::End(Outcome::Lost));
}

#[test]
fn the_way_to_a_far_leg_that_is_never_answered_is_measured_too() {
    let (mut call, mut recorder, sent, _) = tell(&[(2, NearLegEvent::Created)]);
    call.on_far(FAR, 1, FarLegEvent::Created, sent + ms(9), &mut recorder);
    call.on(BUSY, sent + ms(20), &mut recorder);
    assert_eq!(measured(&recorder, Latency::Invite), Some(7));
}

#[test]
fn the_way_to_a_far_leg_whose_creation_was_not_seen_is_not_measured() {
    let (mut call, mut recorder, sent, _) = tell(&[(2, NearLegEvent::Created)]);
    call.on_far(FAR, 1, FarLegEvent::Answered, sent + ms(900), &mut recorder);
    call.on(NearLegEvent::Answered, sent + ms(905), &mut recorder);
    call.on(GONE, sent + ms(3000), &mut recorder);
    assert_eq!(
        (measured(&recorder, Latency::Invite), measured(&recorder, Latency::AnswerPropagation)),
        (None, Some(5))
    );
    let record = call.record(Uuid::nil(), 0, Outcome::Completed, sent + ms(3000));
    assert_eq!(record.far.map(|far| (far.created, far.answered)), Some((None, Some(sent + ms(900)))));
}

#[test]
fn what_events_leave_out_or_tell_in_no_order_has_a_name() {
    let job = NearLegEvent::Job(Ok(()));
    for (changes, anomaly) in [
        (vec![(2, NearLegEvent::Created), (40, NearLegEvent::Answered), (41, job)], None),
        (vec![(1, job), (2, NearLegEvent::Created), (40, NearLegEvent::Answered)], None),
        (vec![(2, NearLegEvent::Created), (40, NearLegEvent::Answered)], Some("job_never_ended")),
        (vec![(40, NearLegEvent::Answered), (41, job)], Some("creation_missed")),
        (vec![(40, NearLegEvent::Answered), (41, NearLegEvent::Created), (42, job)], Some("events_out_of_order")),
        (
            vec![(2, NearLegEvent::Created), (3, NearLegEvent::HungUp), (4, NearLegEvent::Answered), (5, job)],
            Some("events_out_of_order"),
        ),
    ] {
        let (mut call, mut recorder, sent, _) = tell(&changes);
        assert_eq!(call.anomaly(sent + ms(3000)), anomaly, "{changes:?}");
        call.still_there(true, sent + ms(100), &mut recorder);
        assert_eq!(call.anomaly(sent + ms(3000)), None, "the connection was away");
    }
    let (call, _, sent, _) = tell(&[(2, NearLegEvent::Created), (40, NearLegEvent::Answered)]);
    assert_eq!(call.anomaly(sent + ms(500)), None, "a short call's job may be told later");
}
