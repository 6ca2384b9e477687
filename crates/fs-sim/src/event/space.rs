//! Where the frames of events are kept until every listener has sent them: many in one piece of memory.
//!
//! A frame of several kilobytes that is allocated and freed by itself is what a server under load would do most: the
//! allocator joins and splits its free pieces, and gives the last ones back to the system, which clears them again.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// How large a piece is: some ten frames. As long as one of them waits in a queue all of it stays, so that a listener
/// that never reads, and takes one event of many, keeps ten times as much as it takes.
const PIECE: usize = 64 * 1024;

/// How many full pieces are looked after, to be written into again: what is on its way to the listeners at a time under
/// the highest load. Others are freed with their last frame.
const PIECES_MAX: usize = 32;

/// Pieces of memory, one of which is being filled.
#[derive(Debug, Default)]
pub(crate) struct Space {
    piece: Option<BytesMut>,
    /// In the order in which they became full.
    full: VecDeque<BytesMut>,
}

impl Space {
    /// Copies a frame.
    pub(crate) fn keep(&mut self, frame: &[u8]) -> Bytes {
        if frame.len() > PIECE / 2 {
            return Bytes::copy_from_slice(frame);
        }
        let mut piece = match self.piece.take() {
            Some(piece) if piece.capacity() >= frame.len() => piece,
            full => self.next(full),
        };
        piece.extend_from_slice(frame);
        let kept = piece.split().freeze();
        self.piece = Some(piece);
        kept
    }

    /// The piece that has been full for longest, if all its frames are gone, or else a new one.
    fn next(&mut self, full: Option<BytesMut>) -> BytesMut {
        if self.full.len() < PIECES_MAX {
            self.full.extend(full);
        }
        if self.full.front_mut().is_some_and(|piece| piece.try_reclaim(PIECE))
            && let Some(free) = self.full.pop_front()
        {
            return free;
        }
        BytesMut::with_capacity(PIECE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_used_again_and_no_frame_is_overwritten() {
        let mut space = Space::default();
        let mut queue = VecDeque::new();
        for turn in 0..10_000_u32 {
            let frame = turn.to_le_bytes().repeat(1_500);
            queue.push_back((turn, space.keep(&frame)));
            if queue.len() > 100
                && let Some((turn, kept)) = queue.pop_front()
            {
                assert_eq!(kept, turn.to_le_bytes().repeat(1_500));
            }
        }
        let pieces = space.full.len();
        assert!((1..=12).contains(&pieces), "{pieces} pieces for 600 KB");
    }

    #[test]
    fn what_nobody_sends_is_not_looked_after_for_ever() {
        let mut space = Space::default();
        let frames: Vec<Bytes> = (0..2_000).map(|_| space.keep(&[1; 30_000])).collect();
        assert_eq!(space.full.len(), PIECES_MAX);
        assert!(frames.iter().all(|frame| frame.len() == 30_000));
        assert_eq!(space.keep(&[1; PIECE]).len(), PIECE);
    }
}
