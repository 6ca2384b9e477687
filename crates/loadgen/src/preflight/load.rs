//! The load of each server in sessions, including the far legs that come to it.

use esl_core::Error;

use super::address::{Address, is_loopback};
use super::need::Spread;
use super::{Answers, Need};

/// By how many standard deviations a second's calls exceed their mean in one of 30,000 seconds.
const DEVIATIONS: f64 = 4.0;

/// The load of one server, in sessions. A session is one leg, so a server's call to itself has two.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SessionLoad {
    /// New sessions a second.
    pub sessions_per_second: f64,
    /// New sessions in the busiest second.
    pub sessions_per_second_peak: f64,
    /// Sessions at a time.
    pub sessions: f64,
    /// Sessions at a time, at the most.
    pub sessions_peak: f64,
}

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Landing {
    /// To the server that dials it.
    Here,
    /// To another slave.
    There(usize),
    /// To none of the slaves, as far as is known.
    Elsewhere,
}

/// The load of each server, in the plan's order.
pub(super) fn loads(needs: &[Need], query: &[Result<Answers, Error>]) -> Vec<SessionLoad> {
    let places: Vec<Vec<_>> = query
        .iter()
        .map(|answers| answers.as_ref().map_or(Vec::new(), |answers| answers.sip_places().collect()))
        .collect();
    let mut legs = vec![(0.0, 0.0); needs.len()];
    for (slave, need) in needs.iter().enumerate() {
        let mut add = |at: usize, share: f64| {
            legs[at].0 += need.rate * share;
            legs[at].1 += need.concurrent * share;
        };
        add(slave, 1.0);
        for target in &need.targets {
            match landing(first_hop(&target.to, query[slave].as_ref().ok()), slave, &places) {
                Landing::Here => add(slave, target.share),
                Landing::There(other) => add(other, target.share),
                Landing::Elsewhere => {}
            }
        }
    }
    // All slaves have the same schedule.
    let spread = needs.first().map_or(Spread::Random, |need| need.spread);
    legs.into_iter().map(|(rate, sessions)| load(rate, sessions, spread)).collect()
}

/// The standard deviation of a Poisson process is the root of its mean, in calls, and so is that of the calls that are
/// up (an M/G/∞ queue). A server's call to itself has two sessions at once.
fn load(rate: f64, sessions: f64, spread: Spread) -> SessionLoad {
    let more = |mean: f64| match spread {
        Spread::Within(calls) => (2.0 * calls).min(mean.max(calls)),
        Spread::Random => DEVIATIONS * (2.0 * mean).sqrt(),
    };
    SessionLoad {
        sessions_per_second: rate,
        sessions_per_second_peak: rate + more(rate),
        sessions,
        sessions_peak: sessions + more(sessions),
    }
}

/// Where a call goes first.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hop {
    /// Back into the server's own dialplan.
    Loopback,
    /// To a host, over SIP.
    Sip(String, u16),
    /// Elsewhere, or unknown.
    Unknown,
}

fn first_hop(to: &str, answers: Option<&Answers>) -> Hop {
    let place = match Address::parse(to) {
        Address::Loopback => return Hop::Loopback,
        Address::Gateway(gateway) => answers.and_then(|answers| answers.gateway_place(gateway)),
        address => address.host(),
    };
    place.map_or(Hop::Unknown, |(host, port)| Hop::Sip(host, port))
}

fn landing(hop: Hop, slave: usize, places: &[Vec<(String, u16)>]) -> Landing {
    let host = match hop {
        Hop::Loopback => return Landing::Here,
        Hop::Unknown => return Landing::Elsewhere,
        Hop::Sip(host, port) => (host, port),
    };
    if places[slave].contains(&host) {
        return Landing::Here;
    }
    let other = (0..places.len()).find(|other| !is_loopback(&host.0) && places[*other].contains(&host));
    other.map_or(Landing::Elsewhere, Landing::There)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_legs_count_where_they_land() {
        let places =
            [vec![("10.0.0.1".to_owned(), 5080), ("127.0.0.1".to_owned(), 5080)], vec![("10.0.0.2".to_owned(), 5080)]];
        let mut answers = Answers::default();
        answers.add("sofia status gateway pstn".into(), "Name\tpstn\nProxy   \tsip:10.0.0.2:5080\n".into());
        for (to, landing_of_0) in [
            ("sofia/external/1@127.0.0.1:5080", Landing::Here),
            ("sofia/external/1@10.0.0.1:5080", Landing::Here),
            ("sofia/external/1@10.0.0.1:5090", Landing::Elsewhere),
            ("sofia/external/1@10.0.0.2:5080", Landing::There(1)),
            ("loopback/1/default", Landing::Here),
            ("null/x", Landing::Elsewhere),
            ("sofia/gateway/pstn/1", Landing::There(1)),
            ("sofia/gateway/x/1", Landing::Elsewhere),
        ] {
            assert_eq!(landing(first_hop(to, Some(&answers)), 0, &places), landing_of_0, "{to}");
        }
        let itself = landing(first_hop("sofia/external/1@127.0.0.1:5080", None), 1, &places);
        assert_eq!(itself, Landing::Elsewhere, "each machine's loopback is its own");
    }
}
