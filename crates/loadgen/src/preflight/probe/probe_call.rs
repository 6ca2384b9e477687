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
const PROBE_CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The time after which the server ends a probe call by itself, ringing or answered.
const GUARD: Duration = Duration::from_secs(10);
/// How long a far leg has to stay parked: a dialplan that answers does so at once.
const SETTLE_TIME: Duration = Duration::from_millis(300);
/// How long the end of a probe call may take.
const END_MAX: Duration = Duration::from_secs(3);
/// How long one command may take.
const REPLY_MAX: Duration = Duration::from_secs(5);

/// One probe call.
pub(super) struct ProbeCall<'a> {
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
struct ProbeProgress {
    progressed: bool,
    near_gone: bool,
    /// The slave and the channel of the far leg.
    far: Option<(usize, Uuid)>,
    far_gone: bool,
    parked: Option<Instant>,
    answered: bool,
    failed: Option<String>,
}

impl ProbeCall<'_> {
    pub(super) async fn run(&self, mut events: broadcast::Receiver<LegEvent>) -> ProbeOutcome {
        let mut progress = ProbeProgress::default();
        let client = match self.place().await {
            Ok(client) => client,
            Err(error) => return ProbeOutcome::Unknown(error.to_string()),
        };
        self.watch(&mut events, &mut progress).await;
        let outcome = self.outcome(&progress);
        self.end(&client, &mut events, &mut progress).await;
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

    async fn watch(&self, events: &mut broadcast::Receiver<LegEvent>, progress: &mut ProbeProgress) {
        let deadline = Instant::now() + PROBE_CALL_TIMEOUT;
        while !self.is_clear(progress) {
            let until = progress.parked.map_or(deadline, |parked| deadline.min(parked + SETTLE_TIME));
            match timeout_at(until, events.recv()).await {
                Ok(Ok(event)) => self.apply(event, progress),
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => return,
            }
        }
    }

    fn is_clear(&self, progress: &ProbeProgress) -> bool {
        let through = !self.target.parked && (progress.progressed || progress.answered);
        progress.failed.is_some() || progress.near_gone || through || (self.target.parked && progress.answered)
    }

    fn apply(&self, event: LegEvent, progress: &mut ProbeProgress) {
        if event.call != self.call {
            return;
        }
        let near = event.channel == self.call;
        match event.what {
            LegEventKind::Created if !near => progress.far = Some((event.slave, event.channel)),
            LegEventKind::Created => {}
            LegEventKind::Progressed => progress.progressed = true,
            LegEventKind::Parked if !near => progress.parked = Some(Instant::now()),
            LegEventKind::Parked => {}
            LegEventKind::Answered => progress.answered = true,
            LegEventKind::Ended(cause) if near => {
                progress.near_gone = true;
                if !progress.answered {
                    progress.failed.get_or_insert(cause);
                }
            }
            LegEventKind::Ended(_) => progress.far_gone = true,
            LegEventKind::Refused(words) => {
                progress.near_gone = true;
                progress.failed.get_or_insert(words);
            }
        }
    }

    fn outcome(&self, progress: &ProbeProgress) -> ProbeOutcome {
        match progress {
            ProbeProgress { failed: Some(words), .. } => ProbeOutcome::Failed(words.clone()),
            ProbeProgress { far: None, .. } if progress.progressed || progress.answered => ProbeOutcome::Through,
            ProbeProgress { far: None, .. } => {
                ProbeOutcome::Failed(format!("it neither rang nor was answered in {PROBE_CALL_TIMEOUT:?}"))
            }
            ProbeProgress { answered: true, .. } if self.target.parked => ProbeOutcome::Answered,
            ProbeProgress { parked: None, .. } if self.target.parked => ProbeOutcome::NotParked,
            ProbeProgress { .. } if self.target.parked => ProbeOutcome::Parked,
            ProbeProgress { .. } => ProbeOutcome::Through,
        }
    }

    /// Hangs up the near leg, which ends the far leg too, and the far leg if it does not.
    async fn end(&self, client: &Client, events: &mut broadcast::Receiver<LegEvent>, progress: &mut ProbeProgress) {
        let deadline = Instant::now() + END_MAX;
        // A channel that is gone already needs no hangup.
        let _ = client.api_within(&format!("uuid_kill {}", self.call), REPLY_MAX).await;
        while !(progress.near_gone && (progress.far.is_none() || progress.far_gone)) {
            match timeout_at(deadline, events.recv()).await {
                Ok(Ok(event)) => self.apply(event, progress),
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => break,
            }
        }
        if let Some((slave, channel)) = progress.far.filter(|_| !progress.far_gone) {
            let Server { address, credentials } = &self.servers[slave];
            let options = Options { reconnect: None, ..Options::default() };
            if let Ok(client) = Client::connect(address, credentials, &options).await {
                let _ = client.api_within(&format!("uuid_kill {channel}"), REPLY_MAX).await;
            }
        }
    }
}
