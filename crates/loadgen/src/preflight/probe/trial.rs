//! One probe call, from its originate to its end.

use std::time::Duration;

use esl_core::{Client, Error, HangupCause, Options, Originate};
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::super::need::DialledAddress;
use super::leg_event::{LegEvent, LegEventKind};
use crate::plan::RunId;
use crate::server::Server;

/// How long a probe call may take to show its outcome.
const TRIAL_MAX: Duration = Duration::from_secs(5);
/// The time after which the server ends a probe call by itself, ringing or answered.
const GUARD: Duration = Duration::from_secs(10);
/// How long a far leg has to stay parked: a dialplan that answers does so at once.
const SETTLED: Duration = Duration::from_millis(300);
/// How long the end of a probe call may take.
const END_MAX: Duration = Duration::from_secs(3);
/// How long one command may take.
const REPLY_MAX: Duration = Duration::from_secs(5);

/// One probe call.
pub(super) struct Trial<'a> {
    pub(super) slave: usize,
    pub(super) call: Uuid,
    pub(super) run: RunId,
    pub(super) target: &'a DialledAddress,
    pub(super) servers: &'a [Server],
}

/// The outcome of a probe call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProbeOutcome {
    /// It rang or was answered, and no far leg was seen.
    Through,
    /// Its far leg was parked on a slave.
    Parked,
    /// Its far leg came to a slave, and was answered.
    Answered,
    /// Its far leg came to a slave, and was neither parked nor answered.
    NotParked,
    /// It failed, with this answer of the server.
    Failed(String),
    /// Its outcome is unknown.
    Unknown(String),
}

/// What has been seen of a probe call.
#[derive(Debug, Default)]
struct Seen {
    progressed: bool,
    near_gone: bool,
    /// The slave and the channel of the far leg.
    far: Option<(usize, Uuid)>,
    far_gone: bool,
    parked: Option<Instant>,
    answered: bool,
    failed: Option<String>,
}

impl Trial<'_> {
    pub(super) async fn run(&self, mut heard: broadcast::Receiver<LegEvent>) -> ProbeOutcome {
        let mut seen = Seen::default();
        let client = match self.place().await {
            Ok(client) => client,
            Err(error) => return ProbeOutcome::Unknown(error.to_string()),
        };
        self.watch(&mut heard, &mut seen).await;
        let outcome = self.outcome(&seen);
        self.end(&client, &mut heard, &mut seen).await;
        outcome
    }

    /// Places the call with its guards: the originate's time-out, and `sched_hangup` on answer.
    async fn place(&self) -> Result<Client, Error> {
        let Server { address, credentials } = &self.servers[self.slave];
        let options = Options { reconnect: None, ..Options::default() };
        let client = Client::connect(address, credentials, &options).await?;
        let originate = Originate::new(self.call, self.target.to.as_str(), "park")
            .ignore_early_media(true)
            .timeout(GUARD)
            .hangup_after(GUARD, HangupCause::ALLOTTED_TIMEOUT)
            .variable("loadgen_run", self.run.to_string())
            .variable("sip_h_X-loadgen-call", self.call.to_string())
            .command()?;
        let started = tokio::time::timeout(REPLY_MAX, client.background(self.call, &originate)).await;
        started.unwrap_or_else(|_| Err(Error::timed_out("the server's answer to an originate", REPLY_MAX)))?;
        Ok(client)
    }

    async fn watch(&self, heard: &mut broadcast::Receiver<LegEvent>, seen: &mut Seen) {
        let deadline = Instant::now() + TRIAL_MAX;
        while !self.is_clear(seen) {
            let until = seen.parked.map_or(deadline, |parked| deadline.min(parked + SETTLED));
            match timeout_at(until, heard.recv()).await {
                Ok(Ok(heard)) => self.hear(heard, seen),
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => return,
            }
        }
    }

    fn is_clear(&self, seen: &Seen) -> bool {
        let through = !self.target.parked && (seen.progressed || seen.answered);
        seen.failed.is_some() || seen.near_gone || through || (self.target.parked && seen.answered)
    }

    fn hear(&self, heard: LegEvent, seen: &mut Seen) {
        if heard.call != self.call {
            return;
        }
        let near = heard.channel == self.call;
        match heard.what {
            LegEventKind::Created if !near => seen.far = Some((heard.slave, heard.channel)),
            LegEventKind::Created => {}
            LegEventKind::Progressed => seen.progressed = true,
            LegEventKind::Parked if !near => seen.parked = Some(Instant::now()),
            LegEventKind::Parked => {}
            LegEventKind::Answered => seen.answered = true,
            LegEventKind::Ended(cause) if near => {
                seen.near_gone = true;
                if !seen.answered {
                    seen.failed.get_or_insert(cause);
                }
            }
            LegEventKind::Ended(_) => seen.far_gone = true,
            LegEventKind::Refused(words) => {
                seen.near_gone = true;
                seen.failed.get_or_insert(words);
            }
        }
    }

    fn outcome(&self, seen: &Seen) -> ProbeOutcome {
        match seen {
            Seen { failed: Some(words), .. } => ProbeOutcome::Failed(words.clone()),
            Seen { far: None, .. } if seen.progressed || seen.answered => ProbeOutcome::Through,
            Seen { far: None, .. } => {
                ProbeOutcome::Failed(format!("it neither rang nor was answered in {TRIAL_MAX:?}"))
            }
            Seen { answered: true, .. } if self.target.parked => ProbeOutcome::Answered,
            Seen { parked: None, .. } if self.target.parked => ProbeOutcome::NotParked,
            Seen { .. } if self.target.parked => ProbeOutcome::Parked,
            Seen { .. } => ProbeOutcome::Through,
        }
    }

    /// Hangs up the near leg, which ends the far leg too, and the far leg if it does not.
    async fn end(&self, client: &Client, heard: &mut broadcast::Receiver<LegEvent>, seen: &mut Seen) {
        let deadline = Instant::now() + END_MAX;
        // A channel that is gone already needs no hangup.
        let _ = client.api_within(&format!("uuid_kill {}", self.call), REPLY_MAX).await;
        while !(seen.near_gone && (seen.far.is_none() || seen.far_gone)) {
            match timeout_at(deadline, heard.recv()).await {
                Ok(Ok(heard)) => self.hear(heard, seen),
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => break,
            }
        }
        if let Some((slave, channel)) = seen.far.filter(|_| !seen.far_gone) {
            let Server { address, credentials } = &self.servers[slave];
            let options = Options { reconnect: None, ..Options::default() };
            if let Ok(client) = Client::connect(address, credentials, &options).await {
                let _ = client.api_within(&format!("uuid_kill {channel}"), REPLY_MAX).await;
            }
        }
    }
}
