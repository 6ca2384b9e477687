//! Queries a server for the preflight checks, over two connections, as in a run.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use esl_core::{Command, Error, Event, EventName, Listener, Options, Subscription};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::answers::is_refusal;
use super::checks::CHECKS;
use super::need::CUSTOM;
use super::{Answers, Need};
use crate::plan::marks::{MEASURED_EVENTS, PROBE_EVENT, PROBE_HEADER};
use crate::server::{QueryConnection, Server};

/// How long a server may take to answer all queries, beyond the time-outs of connecting, logging in and subscribing. A
/// healthy server takes a tenth of a second.
pub(super) const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Rounds of queries at most: a check may query what follows from earlier answers.
const ROUNDS_MAX: usize = 4;
/// Servers whose times are measured at a time: more would measure this machine.
pub(super) const MEASURED_AT_ONCE: usize = 64;
/// Round trips that are measured, one after the other: enough for a median.
const ROUND_TRIPS: usize = 10;
/// Events whose delay is measured, one after the other. Without keep-awake each takes up to 20 ms.
const EVENTS: usize = 5;
/// How long an event may take before the measurement ends.
const EVENT_MAX: Duration = Duration::from_secs(2);
/// Queries everything that the checks need.
///
/// # Errors
/// The server cannot be reached, rejects the login, or does not answer.
pub(super) async fn query(need: &Need, server: &Server, turns: &Semaphore) -> Result<Answers, Error> {
    let awake = Options { keep_awake: need.keep_awake, ..Options::default() };
    let events = Subscription::default().custom(PROBE_EVENT);
    let (listener, queries) = tokio::try_join!(
        Listener::connect(&server.address, &server.credentials, &awake, &events),
        QueryConnection::connect(server),
    )?;
    let mut query = ServerQuery { listener, queries, answers: Answers::default() };
    let expired = || Err(Error::timed_out("the server's answers to the preflight queries", QUERY_TIMEOUT));
    timeout(QUERY_TIMEOUT, query.query(need)).await.unwrap_or_else(|_| expired())?;
    // The semaphore is never closed.
    let _turn = turns.acquire().await;
    timeout(QUERY_TIMEOUT, query.measure()).await.unwrap_or_else(|_| expired())?;
    Ok(query.answers)
}

struct ServerQuery {
    listener: Listener,
    queries: QueryConnection,
    answers: Answers,
}

impl ServerQuery {
    async fn query(&mut self, need: &Need) -> Result<(), Error> {
        self.answers.queried_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        for _ in 0..ROUNDS_MAX {
            let mut commands: Vec<String> =
                CHECKS.iter().flat_map(|check| (check.queries)(need, &self.answers)).collect();
            commands.retain(|command| !self.answers.has(command));
            commands.sort_unstable();
            commands.dedup();
            if commands.is_empty() {
                break;
            }
            let answer = self.queries.query_all(&commands).await?;
            commands.into_iter().zip(answer).for_each(|(command, words)| self.answers.add(command, words));
        }
        self.try_background().await?;
        self.try_subscribing(need).await
    }

    async fn measure(&mut self) -> Result<(), Error> {
        self.measure_round_trips().await?;
        self.measure_events().await
    }

    async fn try_background(&mut self) -> Result<(), Error> {
        let job = Uuid::new_v4();
        let reply = self.queries.send(&Command::Background { job, command: "version".into() }).await?;
        self.answers.background = reply.job_uuid() == Some(job);
        Ok(())
    }

    /// Subscribes to a run's events, and unsubscribes before many arrive.
    async fn try_subscribing(&mut self, need: &Need) -> Result<(), Error> {
        self.answers.subscribed = Some(self.subscribe(Subscription::new(MEASURED_EVENTS)).await?);
        if !need.events.is_empty() {
            let all = need.events.keys().fold(Subscription::default(), |all, event| with(all, event));
            // One refused event refuses the whole subscription, so each is tried by itself.
            if is_refusal(&self.subscribe(all).await?) {
                for event in need.events.keys() {
                    let answer = self.subscribe(with(Subscription::default(), event)).await?;
                    if is_refusal(&answer) {
                        self.answers.refused_events.insert(event.clone(), answer);
                    }
                }
            }
        }
        self.queries.send(&Command::NoEvents).await?;
        Ok(())
    }

    async fn subscribe(&mut self, events: Subscription) -> Result<String, Error> {
        Ok(self.queries.send(&Command::Subscribe(&events)).await?.text().into_owned())
    }

    async fn measure_round_trips(&mut self) -> Result<(), Error> {
        for _ in 0..ROUND_TRIPS {
            let sent = Instant::now();
            let reply = self.queries.send(&Command::api("noop")).await?;
            self.answers.round_trips.push(reply.received_at.saturating_duration_since(sent));
        }
        Ok(())
    }

    async fn measure_events(&mut self) -> Result<(), Error> {
        self.listener.set_awaited(true);
        for number in 0..EVENTS {
            let number = format!("{number}-{}", Uuid::new_v4());
            let headers = [("Event-Subclass", PROBE_EVENT), (PROBE_HEADER, number.as_str())];
            let sent = Instant::now();
            let event = Command::SendEvent { name: EventName::Custom, headers: &headers, body: "" };
            let (replied, arrived) =
                tokio::join!(self.queries.send(&event), timeout(EVENT_MAX, arrival(&mut self.listener, &number)));
            replied?;
            let Ok(arrived) = arrived else { break };
            self.answers.event_delays.push(arrived?.saturating_duration_since(sent));
        }
        self.listener.set_awaited(false);
        Ok(())
    }
}

/// Adds an event to a subscription, by the name that [`Need::events`] has for it.
fn with(events: Subscription, name: &str) -> Subscription {
    match name.strip_prefix(CUSTOM) {
        Some(subclass) => events.custom(subclass),
        None => events.with(EventName::of(name.as_bytes())),
    }
}

async fn arrival(listener: &mut Listener, number: &str) -> Result<Instant, Error> {
    let is_it = |event: &Event| event.get(PROBE_HEADER).as_deref() == Some(number);
    while !is_it(&listener.next().await?) {}
    Ok(listener.received_at())
}
