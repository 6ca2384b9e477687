//! Bytes cut into frames, in whatever pieces they come.

use esl_core::wire::{Decoder, Frame};

pub(crate) fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Frame> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.buffer().extend_from_slice(piece);
        while let Some(frame) = decoder.next_frame().expect("a FreeSWITCH speaks Event Socket") {
            frames.push(frame);
        }
    }
    assert!(decoder.buffer().is_empty(), "nothing is left over");
    frames
}
