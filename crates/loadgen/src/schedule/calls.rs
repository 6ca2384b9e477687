//! Iterates over a schedule, call by call.

use std::sync::Arc;
use std::time::Duration;

use super::arrivals::Positions;
use super::phase::Piece;
use super::{Due, RoundRobin, Schedule};

/// Iterates over the calls of a schedule, and can change on the way: another rate, other weights, calls that wait.
///
/// The calls depend only on the schedule and the changes, not on how they are consumed.
#[derive(Clone, Debug)]
pub struct DueCalls {
    schedule: Arc<Schedule>,
    /// The rate over time as it is now, from before the cursor on.
    pieces: Arc<[Piece]>,
    positions: Positions,
    /// Where the last call was found.
    cursor: Cursor,
    /// The last call's position.
    position: Option<f64>,
    /// When the last call was due: no call is before it.
    last: Duration,
    /// When the next call is due, and where it was found.
    next: Option<(Duration, Cursor)>,
    slaves: RoundRobin,
    /// The slaves whose calls are yielded; all where it is `None`.
    owned: Option<Arc<[bool]>>,
    /// The phase of the last call.
    phase: usize,
    /// How many calls each slave has had in that phase.
    of_slave: Vec<u64>,
}

/// A moment from which time is counted, and how far the calls had come at it.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    piece: usize,
    /// Seconds from the start.
    since: f64,
    /// The integral of the rate up to then.
    calls: f64,
}

impl DueCalls {
    pub(super) fn new(schedule: Arc<Schedule>, owned: Option<Arc<[bool]>>) -> Self {
        let pieces = Piece::of(&schedule.phases).collect();
        let mut calls = Self {
            pieces,
            positions: Positions::new(schedule.arrivals, schedule.seed),
            cursor: Cursor { piece: 0, since: 0.0, calls: 0.0 },
            position: None,
            last: Duration::ZERO,
            next: None,
            slaves: schedule.slaves.clone(),
            owned,
            phase: 0,
            of_slave: vec![0; schedule.slaves.members()],
            schedule,
        };
        calls.look_ahead();
        calls
    }

    /// When the next call is due, from the start. `None` where there is none: the schedule has ended, or does not
    /// advance, as with a rate of 0.
    pub fn next_at(&self) -> Option<Duration> {
        self.next.map(|(at, _)| at)
    }

    /// The next call, if it is due before `until`.
    pub fn next_before(&mut self, until: Duration) -> Option<Due> {
        let (at, cursor) = self.next.filter(|(at, _)| *at < until)?;
        Some(self.give(at, cursor))
    }

    /// From `at` on the rate is this one, in calls per second, up to the schedule's end and whatever the phases say;
    /// with `None` it is what they say. Their names, mixes and ends stay. What is due before `at` stays as it was, and
    /// what has been given out is not called back: then it is as if `at` was the last call's time.
    ///
    /// How far the calls have come stays: of a gap that is half over, half is left, at the new rate.
    pub fn set_rate(&mut self, at: Duration, rate: Option<f64>) {
        let at = at.max(self.last);
        let before = self.pieces[self.cursor.piece.min(self.pieces.len())..].iter().filter_map(|piece| piece.until(at));
        let after = Piece::of(&self.schedule.phases).filter_map(|piece| {
            let piece = piece.after(at)?;
            Some(rate.map_or(piece, |rate| piece.at_rate(rate)))
        });
        self.pieces = before.chain(after).collect();
        self.cursor.piece = 0;
        self.look_ahead();
    }

    /// Changes the weights of the slaves from the next call on; the number of slaves stays. Call *n* is assigned by the
    /// *n*-th turn of the new weights, so that shards agree again as soon as all have changed.
    pub fn set_slaves(&mut self, turns: RoundRobin) {
        self.of_slave.resize(turns.members().max(self.of_slave.len()), 0);
        self.slaves = turns;
        self.look_ahead();
    }

    /// The rate at a moment from the start, in calls per second, with the changes so far. Moments before the last call
    /// are not known.
    pub fn rate_at(&self, at: Duration) -> f64 {
        self.piece_at(at).map_or(0.0, |piece| piece.rate(at.as_secs_f64()))
    }

    /// The highest rate of the piece that a moment is in: for a ramp, the rate at its upper end. Otherwise as
    /// [`DueCalls::rate_at`].
    pub fn rate_max_at(&self, at: Duration) -> f64 {
        self.piece_at(at).map_or(0.0, |piece| piece.rate_max())
    }

    fn piece_at(&self, at: Duration) -> Option<Piece> {
        let begun = self.pieces.partition_point(|piece| piece.start <= at);
        begun.checked_sub(1).map(|last| self.pieces[last]).filter(|piece| piece.holds(at))
    }

    /// Delays the last call to `at`, as where it waits for a slot. The following calls count from there: nothing is
    /// caught up. An earlier moment changes nothing.
    pub fn delay_to(&mut self, at: Duration) {
        let Some(calls) = self.position.filter(|_| at > self.last) else {
            return;
        };
        self.last = at;
        // The integral of the rate counts as having reached the call's position at that moment.
        let piece = self.pieces.partition_point(|piece| piece.end.is_some_and(|end| end <= at));
        self.cursor = Cursor { piece, since: at.as_secs_f64(), calls };
        self.look_ahead();
    }

    fn give(&mut self, at: Duration, cursor: Cursor) -> Due {
        let attempt = self.positions.attempt();
        let phase = self.pieces[cursor.piece].phase;
        if phase != self.phase {
            self.phase = phase;
            self.of_slave.fill(0);
        }
        let slave = self.slaves.pick(attempt);
        let turn = self.of_slave[slave];
        self.of_slave[slave] += 1;
        // Slaves begin at different places of the mix, so that one call on each of them is a mix too.
        let app = self.schedule.phases[phase].apps.pick(turn.wrapping_add(slave as u64));

        self.position = Some(self.positions.current());
        self.positions.advance();
        (self.cursor, self.last) = (cursor, at);
        self.look_ahead();
        Due { attempt, at, slave, app, phase }
    }

    fn look_ahead(&mut self) {
        let found = if self.go_to_own() { self.locate(self.positions.current()) } else { None };
        // Rounding may swap two calls of nearly the same position.
        self.next = found.map(|(at, cursor)| (at.max(self.last), cursor));
    }

    /// Skips the calls of other slaves without computing their due times. `false` where none is left.
    fn go_to_own(&mut self) -> bool {
        // A slave without a turn in a whole cycle never has one.
        for _ in 0..self.slaves.cycle() {
            let attempt = self.positions.attempt();
            if self.schedule.max_offered.is_some_and(|max| attempt >= max) {
                return false;
            }
            match &self.owned {
                Some(owned) if !owned.get(self.slaves.pick(attempt)).is_some_and(|owned| *owned) => {
                    self.positions.advance();
                }
                _ => return true,
            }
        }
        false
    }

    /// When the integral of the rate reaches a position, which must not be before the last call's.
    pub(super) fn time_of(&self, position: f64) -> Option<Duration> {
        self.locate(position).map(|(at, _)| at)
    }

    fn locate(&self, position: f64) -> Option<(Duration, Cursor)> {
        let mut cursor = self.cursor;
        loop {
            let piece = self.pieces.get(cursor.piece)?;
            let seconds = piece.time_for(position - cursor.calls, cursor.since);
            // A time that no clock can represent is after every end.
            let at = seconds.and_then(|seconds| Duration::try_from_secs_f64(cursor.since + seconds).ok());
            // A call that is due exactly at an end belongs to the next piece.
            match (at, piece.end) {
                (Some(at), None) => return Some((at, cursor)),
                (Some(at), Some(end)) if at < end => return Some((at, cursor)),
                (_, end) => {
                    let end = end?.as_secs_f64();
                    let calls = cursor.calls + piece.calls(cursor.since, end);
                    cursor = Cursor { piece: cursor.piece + 1, since: end, calls };
                }
            }
        }
    }
}

impl Iterator for DueCalls {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        self.next.map(|(at, cursor)| self.give(at, cursor))
    }
}
