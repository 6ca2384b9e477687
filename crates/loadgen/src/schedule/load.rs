//! How many calls are up at once.

use std::time::Duration;

use super::Schedule;
use super::phase::Piece;

/// The most calls that are up at once when each lasts `hold`, and when that is: the largest integral of the rate over
/// so long a time, Λ(t) − Λ(t − hold).
///
/// It is the mean of a system without a limit (S. G. Eick, W. A. Massey and W. Whitt, *The physics of the M_t/G/∞
/// queue*, Operations Research 41 (1993) 731–742). Where the rate stays the same for longer than a hold it is Little's
/// law, and the offered load: erlangs are calls per second times seconds.
pub fn load_max(schedule: &Schedule, hold: Duration) -> (Duration, f64) {
    let timeline = RateTimeline::new(schedule);
    let load = |at: Duration| (at, timeline.calls(at) - timeline.calls(at.saturating_sub(hold)));
    let change = |at: Duration| timeline.rate(at) - at.checked_sub(hold).map_or(0.0, |before| timeline.rate(before));
    // The rate bends at these moments, and what it was a hold before does. Between two of them the load's change is a
    // straight line: the load is highest at one of them, or where that line goes through 0.
    let bends = timeline.bends().flat_map(|at| [Some(at), at.checked_add(hold)]);
    let mut bends: Vec<_> = bends.flatten().collect();
    bends.sort_unstable();
    bends.dedup();
    let between = bends.windows(2).filter_map(|pair| {
        let (from, length) = (pair[0], pair[1] - pair[0]);
        let first = change(from);
        let last = 2.0 * change(from + length / 2) - first;
        (first > 0.0 && last < 0.0).then(|| from + length.mul_f64(first / (first - last)))
    });
    let loads = bends.iter().copied().chain(between).map(load);
    loads.reduce(|most, load| if load.1 > most.1 { load } else { most }).unwrap_or_default()
}

/// How long each call has to last to fill a limit at this rate, in calls per second, by Little's law: limit / rate.
/// `None` where no clock can hold it.
pub fn hold_to_fill(limit: u64, rate: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(limit as f64 / rate).ok()
}

/// A schedule's pieces, with what was due before each.
struct RateTimeline {
    pieces: Vec<(Piece, f64)>,
    most: f64,
}

impl RateTimeline {
    fn new(schedule: &Schedule) -> Self {
        let pieces = Piece::of(&schedule.phases).scan(0.0, |sum, piece| {
            let before = *sum;
            *sum += piece.end.map_or(0.0, |end| piece.calls(piece.start.as_secs_f64(), end.as_secs_f64()));
            Some((piece, before))
        });
        Self { pieces: pieces.collect(), most: schedule.max_offered.map_or(f64::INFINITY, |max| max as f64) }
    }

    fn bends(&self) -> impl Iterator<Item = Duration> {
        self.pieces.iter().flat_map(|(piece, _)| [Some(piece.start), piece.end]).flatten()
    }

    /// The piece that began last.
    fn piece(&self, at: Duration) -> Option<&(Piece, f64)> {
        let begun = self.pieces.partition_point(|(piece, _)| piece.start <= at);
        self.pieces.get(begun.checked_sub(1)?)
    }

    /// How many calls are due before `at`.
    fn calls(&self, at: Duration) -> f64 {
        let calls = self.piece(at).map_or(0.0, |(piece, before)| {
            let until = piece.end.map_or(at, |end| at.min(end));
            before + piece.calls(piece.start.as_secs_f64(), until.as_secs_f64())
        });
        calls.min(self.most)
    }

    fn rate(&self, at: Duration) -> f64 {
        let piece = self.piece(at).map(|(piece, _)| piece).filter(|piece| piece.holds(at));
        piece.map_or(0.0, |piece| piece.rate(at.as_secs_f64()))
    }
}
