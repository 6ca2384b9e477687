//! Those that are called: what they do, by configuration, in place of answering at once.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Switch;
use crate::{
    Delay,
    cause::Cause,
    channel::SessionId,
    config::{Callee, Failure},
    dialplan::Application,
};

/// How long a callee rings that never answers: as the dialplan's `noanswer`, longer than anybody waits.
const RINGS_FOR_EVER: Duration = Duration::from_secs(600);

/// Which callee a call gets: the extension that takes it and how many calls that has had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CalleeNumber(u64);

/// The callees of a server: each call's is a generator of its own, from the seed and the call's number, so that what one
/// draws changes nothing for another.
#[derive(Debug)]
pub(super) struct Callees {
    seed: u64,
    callee: Callee,
    failures: Vec<(Cause, Failure)>,
    /// Calls so far, by extension; those of the server itself, and those from elsewhere, whose order is the network's.
    counts: Vec<[u64; 2]>,
}

/// What one callee does.
#[derive(Debug, PartialEq)]
pub(super) struct Manner {
    pub(super) applications: Vec<Application>,
    /// From the answer until it hangs up.
    pub(super) hold: Option<Duration>,
}

impl Callees {
    /// # Errors
    /// Says why this callee is impossible.
    pub(super) fn new(seed: u64, callee: &Callee) -> Result<Callees, String> {
        Ok(Callees { seed, callee: callee.clone(), failures: callee.by_cause()?, counts: Vec::new() })
    }

    /// The next call's number, of those that this extension takes.
    pub(super) fn count(&mut self, extension: usize, from_elsewhere: bool) -> CalleeNumber {
        if self.counts.len() <= extension {
            self.counts.resize(extension + 1, [0; 2]);
        }
        let count = &mut self.counts[extension][usize::from(from_elsewhere)];
        *count += 1;
        // 2^39 calls of each kind for each of 2^24 extensions.
        CalleeNumber((extension as u64) << 40 | u64::from(from_elsewhere) << 39 | *count)
    }

    /// What the callee does instead of running these at once.
    pub(super) fn manner(&self, number: CalleeNumber, applications: Vec<Application>) -> Manner {
        if self.callee == Callee::default() {
            return Manner { applications, hold: None };
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number.0);
        // Always all of them and in this order: what one of them is does not depend on whether another is wanted.
        let (fate, early): (f64, f64) = (rng.random(), rng.random());
        let mut draw = |delay: &Option<Delay>| {
            let mut own = ChaCha8Rng::from_rng(&mut rng);
            delay.as_ref().map(|delay| delay.sample(&mut own, crate::DELAY_MAX))
        };
        let (ring, answer) = (draw(&self.callee.ring_after), draw(&self.callee.answer_after));
        let hold = draw(&self.callee.hold);
        let failure = self.failure(fate);
        let patience = failure.and_then(|(cause, failure)| match (cause, &failure.after) {
            (_, Some(after)) => draw(&Some(after.clone())),
            (Cause::NO_ANSWER, None) => Some(RINGS_FOR_EVER),
            (_, None) => None,
        });
        let mut all = Vec::new();
        if let (Some((cause, _)), None) = (failure, patience) {
            all.push(Application::new("hangup", cause.name()));
            return Manner { applications: all, hold: None };
        }
        let early = early < self.callee.early_media;
        if early || failure.is_some() || ring.is_some() || answer.is_some() {
            all.extend(ring.map(sleep));
            all.push(Application::new(if early { "pre_answer" } else { "ring_ready" }, ""));
        }
        if let (Some((cause, _)), Some(patience)) = (failure, patience) {
            all.extend([sleep(patience), Application::new("hangup", cause.name())]);
            return Manner { applications: all, hold: None };
        }
        all.extend(answer.map(sleep));
        let answers = applications.first().is_some_and(|first| first.name == "answer");
        if !answers && (!all.is_empty() || hold.is_some()) {
            all.push(Application::new("answer", ""));
        }
        all.extend(applications);
        Manner { applications: all, hold }
    }

    /// Why this call fails, if it does; `fate` is even between 0 and 1.
    fn failure(&self, mut fate: f64) -> Option<(Cause, &Failure)> {
        for (cause, failure) in &self.failures {
            if fate < failure.share {
                return Some((*cause, failure));
            }
            fate -= failure.share;
        }
        None
    }
}

fn sleep(time: Duration) -> Application {
    Application::new("sleep", &format!("{:.3}", time.as_secs_f64() * 1_000.0))
}

impl Switch {
    /// What the callee of a far leg runs in place of its extension's applications.
    pub(super) fn callee_does(
        &mut self,
        id: SessionId,
        extension: usize,
        applications: Vec<Application>,
    ) -> Vec<Application> {
        let Some(channel) = self.channels.get_mut(&id) else { return applications };
        let number = channel.callee.unwrap_or_else(|| self.callees.count(extension, true));
        let manner = self.callees.manner(number, applications);
        channel.hold = manner.hold;
        manner.applications
    }

    /// The number of a call that this server makes to itself, counted when it is asked for, so that it is the same
    /// whatever becomes of the calls before.
    pub(super) fn count_call(&mut self, context: &str, number: &str) -> Option<CalleeNumber> {
        let extension = self.dialplan.callee(context, number)?;
        Some(self.callees.count(extension, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn manner(callee: Callee) -> String {
        let callees = Callees::new(1, &callee).expect("a callee");
        let applications = vec![Application::new("answer", ""), Application::new("echo", "")];
        let Manner { applications, hold } = callees.manner(CalleeNumber(1), applications);
        let told: Vec<String> =
            applications.iter().map(|a| format!("{} {}", a.name, a.data).trim().to_owned()).collect();
        let hold = hold.map_or(String::new(), |hold| format!(", until {hold:?}"));
        told.join(", ") + &hold
    }

    #[test]
    fn each_order_changes_what_it_says() {
        let fails = |cause: &str, after: Option<Delay>| Callee {
            failures: [(cause.to_owned(), Failure { share: 1.0, after })].into(),
            ring_after: Some(Delay::Constant(MS(100))),
            ..Callee::default()
        };
        let ringing = Some(Delay::Constant(MS(3_000)));
        for (callee, expected) in [
            (Callee::default(), "answer, echo"),
            (Callee { early_media: 1.0, ..Callee::default() }, "pre_answer, answer, echo"),
            (Callee { hold: Some(Delay::Constant(MS(5))), ..Callee::default() }, "answer, echo, until 5ms"),
            (
                Callee { answer_after: Some(Delay::Constant(MS(20))), ..Callee::default() },
                "ring_ready, sleep 20.000, answer, echo",
            ),
            (fails("USER_BUSY", None), "hangup USER_BUSY"),
            (fails("USER_BUSY", ringing.clone()), "sleep 100.000, ring_ready, sleep 3000.000, hangup USER_BUSY"),
            (fails("NO_ANSWER", None), "sleep 100.000, ring_ready, sleep 600000.000, hangup NO_ANSWER"),
            (fails("NO_ANSWER", ringing), "sleep 100.000, ring_ready, sleep 3000.000, hangup NO_ANSWER"),
        ] {
            assert_eq!(manner(callee), expected);
        }
    }

    #[test]
    fn what_is_not_wanted_changes_nothing_about_what_is() {
        let exponential = Some(Delay::Exponential { mean: MS(100) });
        let one = Callee { hold: exponential.clone(), ..Callee::default() };
        let all =
            Callee { ring_after: exponential.clone(), answer_after: exponential, early_media: 0.5, ..one.clone() };
        let hold = |callee: &Callee, number| {
            Callees::new(7, callee).expect("a callee").manner(CalleeNumber(number), Vec::new()).hold
        };
        let holds: Vec<_> = (1..50).map(|number| hold(&one, number)).collect();
        assert_eq!(holds, (1..50).map(|number| hold(&all, number)).collect::<Vec<_>>());
        assert!(holds.windows(2).all(|two| two[0] != two[1]), "each call has its own");
    }
}
