//! What a server does wrong where it is ordered to: which faults there are, against whom, and when. No I/O here but
//! what a connection writes while a fault is in force.
//!
//! ```text
//! Config, Server::order, `api sim` ──► Timetable ──changes──► Driver ──► the switch: pause, clock, restart
//!                                      (in the switch)          │    ──► Spoiler: events late, lost, twice
//!                                                               ▼
//!                                                             Board ──► accept loop: refuse
//!                                                                   ──► connections: attend, Line
//! ```

mod attend;
mod board;
mod events;
mod garble;
mod line;
mod table;
mod timetable;

use std::{fmt, net::SocketAddr, time::Duration};

pub(crate) use attend::attend;
pub(crate) use board::{Board, Client, Gate};
pub(crate) use events::Spoiler;
pub(crate) use line::Line;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
pub(crate) use table::{Kind, TABLE, read};
pub(crate) use timetable::{Change, Timetable};

use units::Delay;

/// Something that a server does wrong. What is said here is what is seen from outside.
///
/// In a configuration it is a table, `{ kind = "lose_events", share = 0.01 }`, and in the API command `sim` a few words,
/// `lose_events share 0.01`; a share that is not given is 1. [`Fault::kinds`] lists them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// `drop`: connections are closed without a word. For a time: new ones too, as soon as they are accepted.
    Drop,
    /// `silent`: connections are accepted and stand, and nothing is read or sent, as if the network were cut in
    /// between. What waits is done when it is over.
    Silent,
    /// `mute`: what clients say is read and done, and nothing is ever sent, not even a greeting. What would have been
    /// said meanwhile is gone.
    Mute,
    /// `stall`: the whole server does nothing for a while: connections come about and hear nothing, calls stand still.
    /// Then it catches up, and what was due meanwhile happens at once, with the time at which it happens.
    Stall,
    /// `delay_events`: events come late, each by a time of its own, so that they overtake each other.
    DelayEvents {
        /// The share of events.
        share: f64,
        /// How late they are.
        delay: Delay,
    },
    /// `lose_events`: events do not come.
    LoseEvents {
        /// The share of events.
        share: f64,
    },
    /// `duplicate_events`: events come twice.
    DuplicateEvents {
        /// The share of events.
        share: f64,
    },
    /// `truncate`: a frame, whatever its kind, ends in its middle, and the connection with it.
    Truncate {
        /// The share of frames.
        share: f64,
    },
    /// `garbage`: up to 64 random bytes come before a frame.
    Garbage {
        /// The share of frames.
        share: f64,
    },
    /// `garbage_instead`: as many random bytes as a frame has come instead of it.
    GarbageInstead {
        /// The share of frames.
        share: f64,
    },
    /// `huge_length`: a frame's Content-Length is 18446744073709551615.
    HugeLength {
        /// The share of frames.
        share: f64,
    },
    /// `negative_length`: a frame's Content-Length is -1.
    NegativeLength {
        /// The share of frames.
        share: f64,
    },
    /// `dribble`: everything comes one byte at a time, each in a packet of its own.
    Dribble {
        /// How long it takes from one byte to the next; nothing but the writing if it is not given.
        gap: Duration,
    },
    /// `refuse`: nobody listens, and a connection is refused by the system; those that stand go on. The same port is
    /// bound again afterwards.
    Refuse,
    /// `rude`: a new connection gets `text/rude-rejection` instead of a greeting, and its end.
    Rude,
    /// `wrong_password`: every `auth` and `userauth` is answered `-ERR invalid`, and the connection ends.
    WrongPassword,
    /// `restart`: channels go without an event, connections without a word, the port is closed; then a server listens
    /// on it with another Core-UUID, that has been up for no time and has counted nothing. For as long as it lasts it
    /// is down; without a time it is back at once.
    Restart,
    /// `pause`: as `fsctl pause` at its beginning and `fsctl resume` at its end: new calls are refused.
    Pause,
    /// `freeze_clock`: the times that events and channels carry stand still. Everything else goes on.
    FreezeClock,
    /// `lose_jobs`: a job is done and its BACKGROUND_JOB never comes.
    LoseJobs {
        /// The share of jobs.
        share: f64,
    },
    /// `late_answers`: a command is done at once and answered late, and its connection hears nothing else meanwhile, as
    /// with an API command that takes long.
    LateAnswers {
        /// The share of commands.
        share: f64,
        /// How late.
        delay: Delay,
    },
    /// `swap_answers`: the answer to a command comes behind that to the next one, where a client has sent both already.
    SwapAnswers {
        /// The share of commands.
        share: f64,
    },
}

/// Whose connections a fault concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whom {
    /// `everyone`, those who come later too.
    #[default]
    Everyone,
    /// `newcomers`: those who come while it is in force.
    Newcomers,
    /// The client with this address; in the API command, `me` is the one that says it.
    Client(SocketAddr),
    /// All but the client with this address: `but 127.0.0.1:4711`; in the API command, `others` are all but the one
    /// that says it.
    Others(SocketAddr),
}

/// A fault with its time and whom it concerns.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(try_from = "table::Keys")]
pub struct Planned {
    /// What happens.
    pub fault: Fault,
    /// How long after the order; where it stands in a [`Config`](crate::Config), after the server's start.
    pub at: Duration,
    /// How long it is in force, `for` in a configuration; without it until it is cleared. Those that take no time
    /// (`drop`, `restart`) happen once then.
    pub lasting: Option<Duration>,
    /// Whose connections.
    pub whom: Whom,
}

/// Which order: what [`Server::clear`](crate::Server::clear) takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNumber(pub(crate) u64);

impl Fault {
    /// The name of each kind with a line that says what is seen of it: what `api sim` lists.
    pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
        TABLE.iter().map(|kind| (kind.name, kind.about))
    }

    /// Its name, as in a configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        table::kind(self).map_or("", |kind| kind.name)
    }

    /// Whether it happens once if no time is given.
    fn is_momentary(&self) -> bool {
        matches!(self, Fault::Drop | Fault::Restart)
    }

    fn share(&self) -> Option<f64> {
        match *self {
            Fault::DelayEvents { share, .. }
            | Fault::LoseEvents { share }
            | Fault::DuplicateEvents { share }
            | Fault::Truncate { share }
            | Fault::Garbage { share }
            | Fault::GarbageInstead { share }
            | Fault::HugeLength { share }
            | Fault::NegativeLength { share }
            | Fault::LoseJobs { share }
            | Fault::LateAnswers { share, .. }
            | Fault::SwapAnswers { share } => Some(share),
            _ => None,
        }
    }
}

impl Planned {
    /// A fault from now on, for everyone, until it is cleared.
    #[must_use]
    pub fn new(fault: Fault) -> Planned {
        Planned { fault, at: Duration::ZERO, lasting: None, whom: Whom::Everyone }
    }

    /// Whether it is possible: a share from 0 to 1, and one whom it can concern.
    ///
    /// # Errors
    /// Says what is not.
    pub fn check(&self) -> Result<(), String> {
        let name = self.fault.name();
        if let Some(share) = self.fault.share().filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(format!("the share of {name} is {share}, not between 0 and 1"));
        }
        let whole = table::kind(&self.fault).is_some_and(|kind| kind.is_of_the_whole_server);
        if whole && self.whom != Whom::Everyone {
            return Err(format!("{name} concerns the whole server: leave \"against\" out"));
        }
        Ok(())
    }
}

/// As the API command takes it, but for delays that are drawn.
impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fault.name())?;
        if let Some(share) = self.fault.share().filter(|share| *share < 1.0) {
            write!(f, " share {share}")?;
        }
        match &self.fault {
            Fault::DelayEvents { delay: Delay::Constant(time), .. }
            | Fault::LateAnswers { delay: Delay::Constant(time), .. } => {
                write!(f, " delay {}", humantime::format_duration(*time))?;
            }
            Fault::DelayEvents { delay, .. } | Fault::LateAnswers { delay, .. } => write!(f, " delay {delay:?}")?,
            Fault::Dribble { gap } => write!(f, " gap {}", humantime::format_duration(*gap))?,
            _ => {}
        }
        if !self.at.is_zero() {
            write!(f, " at {}", humantime::format_duration(self.at))?;
        }
        if let Some(lasting) = self.lasting {
            write!(f, " for {}", humantime::format_duration(lasting))?;
        }
        match self.whom {
            Whom::Everyone => Ok(()),
            whom => write!(f, " against {whom}"),
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whom::Everyone => f.write_str("everyone"),
            Whom::Newcomers => f.write_str("newcomers"),
            Whom::Client(address) => write!(f, "{address}"),
            Whom::Others(address) => write!(f, "but {address}"),
        }
    }
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Draws for faults come from generators of their own, so that the calls are the same with and without them.
pub(crate) fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// Whether one of a share is met.
pub(crate) fn meets(rng: &mut impl Rng, share: f64) -> bool {
    share >= 1.0 || rng.random::<f64>() < share
}
