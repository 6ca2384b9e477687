//! Going through a schedule, call by call.

use std::sync::Arc;
use std::time::Duration;

use super::arrivals::Positions;
use super::phase::Piece;
use super::{Due, RoundRobin, Schedule};

/// Goes through a schedule, and bends to what happens on the way: another rate, other weights, calls that wait.
///
/// What it gives depends on the schedule and on what was changed, not on how it is asked.
#[derive(Clone, Debug)]
pub struct DueCalls {
    schedule: Arc<Schedule>,
    /// The rate over time as things stand now, from before the cursor on.
    pieces: Arc<[Piece]>,
    positions: Positions,
    /// Where the last call was found.
    cursor: Cursor,
    /// The last call's position.
    position: Option<f64>,
    /// When the last call was due: none is before it.
    last: Duration,
    /// When the next one is, and where it was found.
    next: Option<(Duration, Cursor)>,
    slaves: RoundRobin,
    /// Whose calls are given out: by the slave's number, everybody's without it.
    owned: Option<Arc<[bool]>>,
    /// The phase of the last call.
    phase: usize,
    /// How many calls each slave had in that phase.
    of_slave: Vec<u64>,
}

/// A moment from which time is counted, and how far the calls had come in it.
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

    /// When the next call is due, from the start. `None` where none is: the schedule is over, or nothing moves it on
    /// any more, as when its rate was set to 0.
    pub fn next_at(&self) -> Option<Duration> {
        self.next.map(|(at, _)| at)
    }

    /// The next call if it is due before `until`; otherwise nothing changes.
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

    /// The slaves take turns by these weights from the next call on; there are as many slaves as before. Call *n* is
    /// then the slave's whose turn the *n*-th is, so that those who go through parts of a schedule agree again on
    /// whose it is as soon as all have changed.
    pub fn set_slaves(&mut self, turns: RoundRobin) {
        self.of_slave.resize(turns.members().max(self.of_slave.len()), 0);
        self.slaves = turns;
        self.look_ahead();
    }

    /// The rate that is asked for at a moment from the start, in calls per second, as things stand now; of moments
    /// before the last call nothing is known any more.
    pub fn rate_at(&self, at: Duration) -> f64 {
        self.piece_at(at).map_or(0.0, |piece| piece.rate(at.as_secs_f64()))
    }

    /// The highest rate of the stretch of even, rising or falling rate that this moment is in: what a ramp that begins
    /// at nothing comes to. As [`DueCalls::rate_at`] else.
    pub fn rate_max_at(&self, at: Duration) -> f64 {
        self.piece_at(at).map_or(0.0, |piece| piece.rate_max())
    }

    fn piece_at(&self, at: Duration) -> Option<Piece> {
        let begun = self.pieces.partition_point(|piece| piece.start <= at);
        begun.checked_sub(1).map(|last| self.pieces[last]).filter(|piece| piece.holds(at))
    }

    /// The call that was given out last became due only at `at`, later than planned, as where it waits for a slot. What
    /// follows is counted from there: nothing is caught up. A moment before its time changes nothing.
    pub fn delay_to(&mut self, at: Duration) {
        let Some(calls) = self.position.filter(|_| at > self.last) else {
            return;
        };
        self.last = at;
        // The integral of the rate is taken to have come to the call's position just then.
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
        let slave = self.slaves.turn(attempt);
        let turn = self.of_slave[slave];
        self.of_slave[slave] += 1;
        // Slaves begin at different places of the mix: one call on each of them is then a mix too.
        let app = self.schedule.phases[phase].apps.turn(turn.wrapping_add(slave as u64));

        self.position = Some(self.positions.current());
        self.positions.advance();
        (self.cursor, self.last) = (cursor, at);
        self.look_ahead();
        Due { attempt, at, slave, app, phase }
    }

    fn look_ahead(&mut self) {
        let found = if self.go_to_own() { self.locate(self.positions.current()) } else { None };
        // Rounding may put two calls of nearly the same position the other way round.
        self.next = found.map(|(at, cursor)| (at.max(self.last), cursor));
    }

    /// Passes over the calls that are others', without working out when they are due. `false` where there is none left.
    fn go_to_own(&mut self) -> bool {
        // Who has no turn in a whole cycle never has one.
        for _ in 0..self.slaves.cycle() {
            let attempt = self.positions.attempt();
            if self.schedule.max_offered.is_some_and(|max| attempt >= max) {
                return false;
            }
            match &self.owned {
                Some(owned) if !owned.get(self.slaves.turn(attempt)).is_some_and(|owned| *owned) => {
                    self.positions.advance();
                }
                _ => return true,
            }
        }
        false
    }

    /// When the integral of the rate comes to a position that no call so far is beyond.
    pub(super) fn time_of(&self, position: f64) -> Option<Duration> {
        self.locate(position).map(|(at, _)| at)
    }

    fn locate(&self, position: f64) -> Option<(Duration, Cursor)> {
        let mut cursor = self.cursor;
        loop {
            let piece = self.pieces.get(cursor.piece)?;
            let seconds = piece.time_for(position - cursor.calls, cursor.since);
            // What is no number, or none that a clock can hold, is after every end.
            let at = seconds.and_then(|seconds| Duration::try_from_secs_f64(cursor.since + seconds).ok());
            // What is due just at an end belongs to what begins there.
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
