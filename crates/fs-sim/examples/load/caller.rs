//! Who calls one server: places the calls that are due, follows each to its end.

use std::{collections::VecDeque, time::Duration};

use esl_core::{
    Command, CommandError, Connection, Credentials, Error, Event, EventName, HangupCause, Incoming, Listener, Options,
    Originate, Subscription,
};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// What all UUIDs of these calls begin with.
const FIRST: u128 = 0xaaaa_aaaa_0000_4000_8000_0000_0000_0000;

/// How many calls' events have their size looked at.
const SIZED: u64 = 100;

/// Longer than any call.
const FOREVER: Duration = Duration::from_secs(86_400);

/// What one caller has to do: every `of`th call, beginning with `number`.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) number: usize,
    pub(crate) of: usize,
    pub(crate) total: u64,
    pub(crate) rate: u64,
    /// How long an answered call is held; without it all are hung up at once when the last one is up.
    pub(crate) hold: Option<Duration>,
    pub(crate) began: Instant,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) ended: u64,
    pub(crate) refused: u64,
    pub(crate) events: u64,
    /// Of the first calls the events and their size.
    pub(crate) sized_events: u64,
    pub(crate) sized_bytes: u64,
    lateness_micros: Vec<u32>,
    setup_micros: Vec<u32>,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Figures) {
        self.ended += other.ended;
        self.refused += other.refused;
        self.events += other.events;
        self.sized_events += other.sized_events;
        self.sized_bytes += other.sized_bytes;
        self.lateness_micros.extend(other.lateness_micros);
        self.setup_micros.extend(other.setup_micros);
    }

    pub(crate) fn lateness(&mut self, share: f64) -> Duration {
        percentile(&mut self.lateness_micros, share)
    }

    pub(crate) fn setup(&mut self, share: f64) -> Duration {
        percentile(&mut self.setup_micros, share)
    }
}

fn percentile(micros: &mut [u32], share: f64) -> Duration {
    micros.sort_unstable();
    let index = (micros.len() as f64 * share) as usize;
    Duration::from_micros(micros.get(index).copied().unwrap_or(0).into())
}

/// One caller and its two connections.
struct Caller {
    plan: Plan,
    listener: Listener,
    client: Connection<()>,
    next: u64,
    /// When each call was sent, by its number over the number of callers.
    sent: Vec<Instant>,
    /// Who is to be hung up, and when, in its order.
    held: VecDeque<(Instant, Uuid)>,
    figures: Figures,
}

pub(crate) async fn run(address: String, plan: Plan) -> Result<Figures, Error> {
    let credentials = Credentials::password("ClueCon");
    let options = Options::default();
    let subscription = Subscription::new([
        EventName::ChannelCreate,
        EventName::ChannelProgress,
        EventName::ChannelProgressMedia,
        EventName::ChannelAnswer,
        EventName::ChannelHangup,
        EventName::ChannelDestroy,
        EventName::BackgroundJob,
        EventName::Heartbeat,
    ])
    .custom("load::probe");
    let listener = Listener::connect(&address, &credentials, &options, &subscription).await?;
    let client = Connection::connect(&address, &credentials, &options).await?;
    let share = (plan.total / plan.of as u64 + 1) as usize;
    let figures = Figures {
        lateness_micros: Vec::with_capacity(share),
        setup_micros: Vec::with_capacity(share),
        ..Figures::default()
    };
    let (sent, held) = (Vec::with_capacity(share), VecDeque::new());
    Caller { plan, listener, client, next: plan.number as u64, sent, held, figures }.run().await
}

impl Caller {
    async fn run(mut self) -> Result<Figures, Error> {
        let calls = (self.plan.total + self.plan.of as u64 - 1 - self.plan.number as u64) / self.plan.of as u64;
        while self.figures.ended + self.figures.refused < calls {
            let wake = self.due().into_iter().chain(self.held.front().map(|(at, _)| *at)).min();
            tokio::select! {
                event = self.listener.next() => {
                    self.hear(&event?);
                    while let Some(event) = self.listener.buffered()? {
                        self.hear(&event);
                    }
                }
                reply = self.client.next() => if let Incoming::Reply((), reply) = reply? {
                    drop(reply);
                    while self.client.buffered()?.is_some() {}
                },
                () = sleep_until(wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(1))) => {}
            }
            self.act()?;
            self.client.try_flush().await?;
        }
        Ok(self.figures)
    }

    /// When the next call is due, while there is one.
    fn due(&self) -> Option<Instant> {
        let due = Duration::from_secs_f64(self.next as f64 / self.plan.rate as f64);
        (self.next < self.plan.total).then(|| self.plan.began + due)
    }

    /// Sends what is due.
    fn act(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        while let Some(due) = self.due().filter(|due| *due <= now && self.client.has_room()) {
            let uuid = Uuid::from_u128(FIRST | u128::from(self.next));
            self.client.send(&Command::Background { job: uuid, command: originate(uuid)?.into() }, ())?;
            self.sent.push(now);
            self.figures.lateness_micros.push(micros(now - due));
            self.next += self.plan.of as u64;
        }
        let settled = self.held.len() as u64 + self.figures.refused;
        if self.plan.hold.is_none()
            && self.due().is_none()
            && settled == self.sent.len() as u64
            && !self.held.is_empty()
        {
            self.client.send(&Command::api("hupall NORMAL_CLEARING load_run 0123456789ab"), ())?;
            self.held.clear();
        }
        while let Some((_, uuid)) = self.held.front().filter(|(at, _)| *at <= now && self.client.has_room()) {
            self.client.send(&Command::api(format!("uuid_kill {uuid}")), ())?;
            self.held.pop_front();
        }
        Ok(())
    }

    fn hear(&mut self, event: &Event) {
        self.figures.events += 1;
        if self.figures.ended < SIZED {
            let mut bytes = Vec::new();
            event.encode(event.format(), &mut bytes);
            self.figures.sized_events += 1;
            self.figures.sized_bytes += bytes.len() as u64;
        }
        // The far legs have UUIDs of the server's.
        let near = event.unique_id().map(|uuid| uuid.as_u128()).filter(|uuid| uuid >> 64 == FIRST >> 64);
        match event.name() {
            EventName::ChannelAnswer => {
                let Some(uuid) = near else { return };
                let number = (uuid ^ FIRST) as usize / self.plan.of;
                let now = self.listener.received_at();
                if let Some(sent) = self.sent.get(number) {
                    self.figures.setup_micros.push(micros(now - *sent));
                }
                let hold = self.plan.hold.unwrap_or(FOREVER);
                self.held.push_back((now + hold, Uuid::from_u128(uuid)));
            }
            EventName::ChannelDestroy if near.is_some() => self.figures.ended += 1,
            EventName::BackgroundJob if event.body().starts_with(b"-ERR") => self.figures.refused += 1,
            _ => {}
        }
    }
}

/// The call as a load generator places it, with all that keeps it from outliving its caller.
fn originate(uuid: Uuid) -> Result<String, CommandError> {
    Originate::new(uuid, "sofia/external/9196@127.0.0.1:5080", "park")
        .ignore_early_media(true)
        .timeout(Duration::from_secs(30))
        .hangup_after(Duration::from_secs(60), HangupCause::ALLOTTED_TIMEOUT)
        .variable("load_run", "0123456789ab")
        .x_header("load-call", uuid.to_string())
        .command()
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
