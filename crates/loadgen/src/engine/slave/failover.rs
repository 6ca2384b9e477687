//! Failover: which slave places a call that its own slave cannot place.

use super::slave_states::SlaveStates;

/// Weights beyond this count as this, so that sums of credits fit their type.
const WEIGHT_MAX: u64 = 1 << 40;

/// Picks a slave by smooth weighted round robin, among the slaves that have room.
///
/// For each pick, every candidate *i* with weight *wᵢ* gains *wᵢ* of credit, the candidate with the most credit is
/// picked, and it loses the sum of the candidates' weights. Over *n* picks among the same candidates each is picked
/// *n·wᵢ/Σw* times, give or take one or two, and never in bursts (nginx, `ngx_http_upstream_round_robin.c`).
#[derive(Debug, Default)]
pub struct FailoverPicker {
    credit: Vec<i64>,
}

impl FailoverPicker {
    /// The slave that takes over a call of `slave`; `None` where no other has room.
    pub fn next(&mut self, states: &SlaveStates, slave: usize) -> Option<usize> {
        self.credit.resize(states.len(), 0);
        let mut total = 0;
        let mut picked: Option<usize> = None;
        for other in (0..states.len()).filter(|other| *other != slave && states.has_room(*other)) {
            let weight = states.weight(other).min(WEIGHT_MAX) as i64;
            total += weight;
            self.credit[other] += weight;
            if weight > 0 && picked.is_none_or(|picked| self.credit[other] > self.credit[picked]) {
                picked = Some(other);
            }
        }
        self.credit[picked?] -= total;
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_fail_over_by_weight_to_slaves_with_room() {
        let states = SlaveStates::with_weights(&[1, 2, 1, 5]);
        let mut failover = FailoverPicker::default();
        states.set_up(3, false);
        let picked: Vec<_> = (0..6).map(|_| failover.next(&states, 0).unwrap()).collect();
        assert_eq!(picked, [1, 2, 1, 1, 2, 1]);
        states.set_active(1, 10);
        assert_eq!(failover.next(&states, 0), Some(2));
        states.set_held(2, true);
        assert_eq!(failover.next(&states, 0), None);
    }
}
