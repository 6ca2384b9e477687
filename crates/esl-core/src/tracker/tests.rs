use super::*;
use crate::handle::Awaited;
use crate::job::Owner;

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);

fn event(name: &str, uuid: Uuid, more: &str) -> Event {
    Event::from_plain(format!("Event-Name: {name}\nUnique-ID: {uuid}\nChannel-State: CS_X\n{more}").into())
        .expect("an event")
}

fn tracker(options: ListenerOptions) -> Tracker {
    Tracker::new(options, Arc::default())
}

/// Tells it `NAME channel header…` line by line.
fn tell(tracker: &mut Tracker, name: &str, uuid: Uuid, more: &str) -> Option<About> {
    tracker.told(&event(name, uuid, more), Instant::now())
}

fn job(uuid: Uuid, lifetime: Duration) -> Job {
    let owner = Owner { client: Uuid::nil(), app: None };
    Job::new(uuid, Some(owner), lifetime, Arc::<Awaited>::default().one())
}

#[tokio::test]
async fn two_legs_with_one_tracking_header_are_one_call() {
    let mut tracker = tracker(ListenerOptions::default());
    let header = format!("variable_sip_h_X-esl-call: {A}\nvariable_sip_h_X-esl-app: tone\n");
    tell(&mut tracker, "CHANNEL_CREATE", A, &header);
    tell(&mut tracker, "CHANNEL_CREATE", B, &(header + "Call-Direction: inbound\n"));
    tell(&mut tracker, "CHANNEL_ANSWER", B, "");
    tell(&mut tracker, "CHANNEL_ANSWER", A, "");
    let call = tracker.call(A).unwrap();
    assert_eq!(call.uuid(), A);
    let (first, last) = (call.first(), call.last().unwrap());
    assert_eq!((first.uuid(), last.uuid()), (A, B));
    assert_eq!(call.get_peer(&first), Some(last.clone()));
    assert_eq!(call.get_peer(&last), Some(first.clone()));
    assert_eq!(last.app_id().as_deref(), Some("tone"));
    assert!(first.answered() && last.is_inbound() && !last.is_outbound());
    assert_eq!(first.call(), Some(call.clone()));
    assert_eq!(tracker.sessions(), [first.clone(), last.clone()]);

    tell(&mut tracker, "CHANNEL_DESTROY", A, "Hangup-Cause: NORMAL_CLEARING\n");
    assert_eq!(tracker.counts(), Counts { sessions: 1, calls: 1, answered: 2, ..Counts::default() });
    assert_eq!((first.ended(), first.hangup_cause()), (true, Some(HangupCause::NORMAL_CLEARING)));
    tell(&mut tracker, "CHANNEL_DESTROY", B, "Hangup-Cause: NORMAL_CLEARING\n");
    assert_eq!(tracker.counts(), Counts { answered: 2, ..Counts::default() });
    assert_eq!(tracker.hangup_causes()[&HangupCause::NORMAL_CLEARING], 2);
    assert!(call.sessions().is_empty() && call.first() == first, "who kept it still sees who began it");
}

#[tokio::test]
async fn without_a_header_the_server_says_what_belongs_together() {
    let mut tracker = tracker(ListenerOptions::default());
    tell(&mut tracker, "CHANNEL_CREATE", A, &format!("Channel-Call-UUID: {A}\n"));
    tell(&mut tracker, "CHANNEL_CREATE", B, &format!("Channel-Call-UUID: {A}\n"));
    assert_eq!(tracker.call(A).unwrap().sessions().len(), 2);
}

#[tokio::test]
async fn fact_4_any_event_can_be_the_first_but_an_end() {
    let mut tracker = tracker(ListenerOptions::default());
    for name in ["CHANNEL_DESTROY", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE"] {
        assert!(tell(&mut tracker, name, A, "").is_none());
    }
    assert!(tell(&mut tracker, "CHANNEL_EXECUTE_COMPLETE", A, "Answer-State: hangup\n").is_none());
    assert!(tracker.sessions().is_empty());
    tell(&mut tracker, "CHANNEL_ANSWER", A, "");
    assert!(tracker.session(A).unwrap().answered());
}

#[tokio::test]
async fn what_failed_is_kept_the_latest_of_each_cause() {
    let mut tracker = tracker(ListenerOptions { failed: 2, ..ListenerOptions::default() });
    for n in 0..5_u128 {
        tell(&mut tracker, "CHANNEL_CREATE", Uuid::from_u128(n), "");
        tell(&mut tracker, "CHANNEL_DESTROY", Uuid::from_u128(n), "Hangup-Cause: USER_BUSY\n");
    }
    tell(&mut tracker, "CHANNEL_CREATE", A, "");
    tell(&mut tracker, "CHANNEL_DESTROY", A, "Hangup-Cause: NORMAL_CLEARING\n");
    let busy = HangupCause::of("USER_BUSY");
    let kept: Vec<u128> = tracker.failed(busy).iter().map(|session| session.uuid().as_u128()).collect();
    assert_eq!(kept, [3, 4]);
    assert_eq!(tracker.failed(HangupCause::NORMAL_CLEARING).len(), 1, "it was not answered");
    assert_eq!((tracker.hangup_causes()[&busy], tracker.counts().failed), (5, 6));
    tracker.reset();
    assert!(tracker.failed(busy).is_empty() && tracker.hangup_causes().is_empty());
}

#[tokio::test]
async fn a_session_keeps_its_first_event_and_the_latest() {
    let mut tracker = tracker(ListenerOptions { history: 3, ..ListenerOptions::default() });
    tell(&mut tracker, "CHANNEL_CREATE", A, "Caller-Destination-Number: 9196\nvariable_x: 0\n");
    for n in 1..10 {
        tell(&mut tracker, "CHANNEL_EXECUTE", A, &format!("variable_x: {n}\n"));
    }
    tell(&mut tracker, "CHANNEL_PARK", A, "variable_x: \n");
    let session = tracker.session(A).unwrap();
    assert_eq!(session.variable("x").as_deref(), Some("9"), "the latest that says something");
    assert_eq!(session.get("Caller-Destination-Number").as_deref(), Some("9196"));
    assert_eq!(session.get("Nothing"), None);
    let names: Vec<EventName> = session.history().iter().map(Event::name).collect();
    let [create, execute, park] = [EventName::ChannelCreate, EventName::ChannelExecute, EventName::ChannelPark];
    assert_eq!(names, [create, execute, execute, park]);
    assert_eq!(session.last(park).unwrap().name(), park);
    session.vars(|vars| vars.insert("mine".to_owned(), "1".to_owned()));
    assert_eq!(session.vars(|vars| vars.get("mine").cloned()).as_deref(), Some("1"));
}

#[tokio::test]
async fn too_many_sessions_are_counted_and_not_kept() {
    let mut tracker = tracker(ListenerOptions { sessions: 1, ..ListenerOptions::default() });
    tell(&mut tracker, "CHANNEL_CREATE", A, "");
    assert!(tell(&mut tracker, "CHANNEL_CREATE", B, "").is_none());
    assert_eq!((tracker.counts().sessions, tracker.counts().untracked), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn fact_24_a_job_without_a_result_ends_at_its_deadline() {
    let mut tracker = tracker(ListenerOptions::default());
    let (late, done) = (job(A, Duration::from_secs(10)), job(B, Duration::from_secs(10)));
    tracker.add_job(late.clone());
    tracker.add_job(done.clone());
    assert_eq!(tracker.jobs().len(), 2);
    let result = format!("Event-Name: BACKGROUND_JOB\nJob-UUID: {B}\nContent-Length: 4\n\n+OK\n");
    tracker.told(&Event::from_plain(result.into()).unwrap(), Instant::now());
    assert_eq!(done.successful(), Some(true));
    tracker.expire_jobs(Instant::now());
    assert!(!late.ready(), "its time is not over");
    tokio::time::advance(Duration::from_secs(10)).await;
    tracker.expire_jobs(Instant::now());
    assert!(late.result().unwrap().unwrap_err().is_timeout());
    assert_eq!(tracker.counts().jobs, 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_saw_end_is_lost_and_its_job_too() {
    let mut tracker = tracker(ListenerOptions::default());
    tell(&mut tracker, "CHANNEL_CREATE", A, "");
    let session = tracker.session(A).unwrap();
    let awaited = session.recv(EventName::ChannelAnswer, Duration::from_secs(5));
    let (gone, there) = (job(A, Duration::MAX), job(B, Duration::MAX));
    tell(&mut tracker, "CHANNEL_CREATE", B, "");
    tracker.add_job(gone.clone());
    tracker.add_job(there.clone());
    tokio::time::advance(Duration::from_secs(1)).await;
    tracker.lost(A, Instant::now());
    tracker.lose_jobs(Instant::now());
    assert!(session.ended());
    assert_eq!(awaited.await.unwrap_err().ended(), Some(HangupCause::UNKNOWN));
    assert_eq!(
        gone.result().unwrap().unwrap_err().to_string(),
        format!("the result of job {A} was lost with the connection")
    );
    assert!(!there.ready());
    tell(&mut tracker, "CHANNEL_DATA", B, "Answer-State: answered\n");
    let late = job(B, Duration::MAX);
    tracker.lose_jobs(late.started());
    assert_eq!(there.result().unwrap().unwrap(), B.to_string(), "an originate ends when its call is answered");
    let there = late;
    tracker.add_job(there.clone());
    tracker.lose_jobs(there.started());
    assert!(!there.ready(), "its result is still to come");
    tracker.close(&Kind::Dropped.into(), Instant::now());
    assert!(there.result().unwrap().unwrap_err().is_closed());
    assert_eq!(tracker.counts().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn an_awaited_event_is_the_next_one_of_its_name() {
    let mut tracker = tracker(ListenerOptions::default());
    tell(&mut tracker, "CHANNEL_CREATE", A, "");
    let session = tracker.session(A).unwrap();
    let second = Duration::from_secs(1);
    let (one, both) = (
        session.recv(EventName::ChannelPark, second),
        session.recv_any(&[EventName::ChannelAnswer, EventName::ChannelPark], second),
    );
    tell(&mut tracker, "CHANNEL_ANSWER", A, "");
    tell(&mut tracker, "CHANNEL_PARK", A, "");
    assert_eq!(one.await.unwrap().name(), EventName::ChannelPark);
    assert_eq!(both.await.unwrap().name(), EventName::ChannelAnswer);
    assert!(session.recv(EventName::Dtmf, second).await.unwrap_err().is_timeout());
    tell(&mut tracker, "CHANNEL_DESTROY", A, "Hangup-Cause: USER_BUSY\n");
    let after = session.recv(EventName::Dtmf, second).await.unwrap_err();
    assert_eq!(after.ended(), Some(HangupCause::of("USER_BUSY")));
    assert_eq!(after.to_string(), format!("channel {A} has ended: USER_BUSY"));
}
