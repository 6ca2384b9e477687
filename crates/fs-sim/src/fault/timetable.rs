//! What has been ordered: what is in force, what is still to come, and when that changes.

use std::time::Duration;

use super::{Fault, OrderNumber, Planned, Whom};

/// The most orders that wait or are in force at a time, so that a client that never stops ordering cannot grow the
/// server: more than a script of a day's faults needs.
pub(crate) const ORDERS_MAX: usize = 1_000;

/// All orders of a server. Times count from the server's first start, restarts or not.
#[derive(Debug, Default)]
pub(crate) struct Timetable {
    orders: Vec<Order>,
    ordered: u64,
    begun: u64,
    /// When the next one begins or ends.
    next: Option<Duration>,
}

/// One order.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) number: OrderNumber,
    pub(crate) planned: Planned,
    begins: Duration,
    ends: Option<Duration>,
    /// Which it was of those that have begun.
    begun: Option<u64>,
}

/// A fault begins or ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Begins { fault: Fault, whom: Whom, begun: u64 },
    Ends(Fault),
}

impl Timetable {
    pub(crate) fn is_idle(&self) -> bool {
        self.orders.is_empty()
    }

    /// Takes an order in; an error says that there are too many.
    pub(crate) fn order(&mut self, now: Duration, planned: Planned) -> Result<OrderNumber, String> {
        planned.check()?;
        if self.orders.len() >= ORDERS_MAX {
            return Err(format!("there are {ORDERS_MAX} orders already: clear some"));
        }
        self.ordered += 1;
        let number = OrderNumber(self.ordered);
        let begins = now.saturating_add(planned.at);
        let lasting = planned.lasting.or(planned.fault.is_momentary().then_some(Duration::ZERO));
        let ends = lasting.map(|lasting| begins.saturating_add(lasting));
        self.orders.push(Order { number, planned, begins, ends, begun: None });
        self.look_ahead();
        Ok(number)
    }

    /// Ends those orders, or takes them away before they begin: how many there were.
    pub(crate) fn clear(&mut self, now: Duration, is_meant: impl Fn(&Order) -> bool) -> usize {
        let mut cleared = 0;
        self.orders.retain_mut(|order| {
            if !is_meant(order) {
                return true;
            }
            cleared += 1;
            order.ends = Some(now.min(order.ends.unwrap_or(now)));
            order.begun.is_some()
        });
        self.look_ahead();
        cleared
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.next
    }

    /// What has begun and ended up to `now`, in order.
    pub(crate) fn advance(&mut self, now: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(at) = self.next.filter(|at| *at <= now) {
            for order in self.orders.iter_mut().filter(|order| order.begun.is_none() && order.begins <= at) {
                self.begun += 1;
                order.begun = Some(self.begun);
                let Planned { fault, whom, .. } = &order.planned;
                changes.push(Change::Begins { fault: fault.clone(), whom: *whom, begun: self.begun });
            }
            self.orders.retain(|order| {
                let over = order.begun.is_some() && order.ends.is_some_and(|ends| ends <= at);
                if over {
                    changes.push(Change::Ends(order.planned.fault.clone()));
                }
                !over
            });
            self.look_ahead();
        }
        changes
    }

    fn look_ahead(&mut self) {
        let next = |order: &Order| if order.begun.is_none() { Some(order.begins) } else { order.ends };
        self.next = self.orders.iter().filter_map(next).min();
    }

    /// What is in force: with which it was of those that have begun.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = (&Planned, u64)> {
        self.orders.iter().filter_map(|order| Some((&order.planned, order.begun?)))
    }

    /// What is in force, as if it began now.
    pub(crate) fn begun_again(&self) -> impl Iterator<Item = Change> {
        self.in_force().map(|(planned, begun)| Change::Begins {
            fault: planned.fault.clone(),
            whom: planned.whom,
            begun,
        })
    }

    pub(crate) fn is_in_force(&self, fault: &Fault) -> bool {
        self.in_force().any(|(planned, _)| planned.fault == *fault)
    }

    /// How many have begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    pub(crate) fn orders(&self) -> &[Order] {
        &self.orders
    }
}

impl Order {
    /// `3 in force, ends in 1s: stall for 2s`.
    pub(crate) fn describe(&self, now: Duration) -> String {
        let until = |at: Duration| {
            let left = Duration::from_millis(at.saturating_sub(now).as_millis() as u64);
            humantime::format_duration(left).to_string()
        };
        let when = match (self.begun, self.ends) {
            (None, _) => format!("begins in {}", until(self.begins)),
            (Some(_), Some(ends)) => format!("in force, ends in {}", until(ends)),
            (Some(_), None) => "in force".to_owned(),
        };
        format!("{} {when}: {}", self.number, self.planned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn planned(text: &str) -> Planned {
        text.parse().expect("a fault")
    }

    fn told(changes: Vec<Change>) -> Vec<String> {
        let tell = |change| match change {
            Change::Begins { fault, begun, .. } => format!("{} begins as {begun}", fault.name()),
            Change::Ends(fault) => format!("{} ends", fault.name()),
        };
        changes.into_iter().map(tell).collect()
    }

    #[test]
    fn orders_begin_and_end_in_their_time() {
        let mut timetable = Timetable::default();
        timetable.order(ms(100), planned("stall at 50ms for 20ms")).expect("room");
        timetable.order(ms(100), planned("pause")).expect("room");
        assert_eq!(timetable.next_at(), Some(ms(100)));
        assert_eq!(told(timetable.advance(ms(120))), ["pause begins as 1"]);
        assert_eq!(timetable.next_at(), Some(ms(150)));
        assert_eq!(told(timetable.advance(ms(150))), ["stall begins as 2"]);
        assert!(timetable.is_in_force(&Fault::Stall));
        assert_eq!(told(timetable.advance(ms(170))), ["stall ends"]);
        assert_eq!(timetable.next_at(), None, "a pause has no end");
        assert_eq!(timetable.clear(ms(200), |_| true), 1);
        assert_eq!(told(timetable.advance(ms(200))), ["pause ends"]);
        assert!(timetable.is_idle());
    }

    #[test]
    fn what_takes_no_time_begins_and_ends_at_once_and_what_is_late_catches_up() {
        let mut timetable = Timetable::default();
        timetable.order(ms(0), planned("drop at 10ms")).expect("room");
        timetable.order(ms(0), planned("restart at 5ms for 10ms")).expect("room");
        assert_eq!(
            told(timetable.advance(ms(99))),
            ["restart begins as 1", "drop begins as 2", "drop ends", "restart ends"]
        );
        assert!(timetable.is_idle());
    }

    #[test]
    fn what_is_cleared_before_it_begins_never_does() {
        let mut timetable = Timetable::default();
        let number = timetable.order(ms(0), planned("stall at 1s")).expect("room");
        assert_eq!(timetable.orders()[0].describe(ms(400)), "1 begins in 600ms: stall at 1s");
        assert_eq!(timetable.clear(ms(500), |order| order.number == number), 1);
        assert_eq!((timetable.next_at(), timetable.advance(ms(2_000))), (None, Vec::new()));
    }

    #[test]
    fn too_many_are_refused() {
        let mut timetable = Timetable::default();
        for _ in 0..ORDERS_MAX {
            timetable.order(ms(0), planned("pause at 1h")).expect("room");
        }
        let error = timetable.order(ms(0), planned("pause")).expect_err("no room");
        assert!(error.contains("1000 orders"), "{error}");
    }
}
