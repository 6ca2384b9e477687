//! What a connection says while a fault is in force for it.

use std::{io, time::Duration};

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::watch,
    task::yield_now,
    time::sleep,
};

use super::{Board, Client, Fault, garble, generator, meets};

/// One connection's view of the faults against it.
#[derive(Debug)]
pub(crate) struct Line {
    board: watch::Receiver<Board>,
    client: Client,
    faults: Vec<Fault>,
    /// An answer that lets the next one pass.
    held: Option<Bytes>,
    rng: ChaCha8Rng,
}

impl Line {
    /// `stream` tells its draws from those of other connections.
    pub(crate) fn new(board: watch::Receiver<Board>, client: Client, seed: u64, stream: u64) -> Line {
        let mut line = Line { board, client, faults: Vec::new(), held: None, rng: generator(seed, stream) };
        line.look();
        line
    }

    /// What [`super::attend`] looks at.
    pub(crate) fn watched(&self) -> (watch::Receiver<Board>, Client) {
        (self.board.clone(), self.client)
    }

    fn look(&mut self) {
        let board = self.board.borrow_and_update();
        self.faults = board.against(&self.client).cloned().collect();
    }

    /// Whether anything here does something else than nothing.
    pub(crate) fn is_harmed(&mut self) -> bool {
        if self.board.has_changed().unwrap_or(false) {
            self.look();
        }
        !self.faults.is_empty() || self.held.is_some()
    }

    /// Whether it is turned away instead of greeted.
    pub(crate) fn is_turned_away(&mut self) -> bool {
        self.is_harmed() && self.faults.contains(&Fault::Rude)
    }

    /// How long an answer is kept from the client.
    pub(crate) fn lateness(&mut self) -> Duration {
        let mut lateness = Duration::ZERO;
        for fault in &self.faults {
            if let Fault::LateAnswers { share, delay } = fault
                && meets(&mut self.rng, *share)
            {
                lateness = lateness.saturating_add(delay.sample(&mut self.rng, crate::DELAY_MAX));
            }
        }
        lateness
    }

    /// Takes an answer: what is to be said now. What is held back comes with the next one, or [`Line::release`].
    pub(crate) fn answer(&mut self, bytes: Bytes) -> Vec<Bytes> {
        if let Some(held) = self.held.take() {
            return vec![bytes, held];
        }
        for fault in &self.faults {
            if let Fault::SwapAnswers { share } = fault
                && meets(&mut self.rng, *share)
            {
                self.held = Some(bytes);
                return Vec::new();
            }
        }
        vec![bytes]
    }

    /// The answer that was held back: there is none for it to come behind.
    pub(crate) fn release(&mut self) -> Option<Bytes> {
        self.held.take()
    }

    /// Sends frames as they are at the moment: an error ends the connection.
    pub(crate) async fn send(&mut self, frames: &[u8], writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if self.faults.contains(&Fault::Mute) {
            return Ok(());
        }
        let mut rest = frames;
        while !rest.is_empty() {
            let (frame, behind) = rest.split_at(garble::frame_length(rest));
            rest = behind;
            let (bytes, ends) = garble::frame(frame, &self.faults, &mut self.rng);
            self.write(&bytes, writer).await?;
            if ends {
                return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the frame was cut by order"));
            }
        }
        Ok(())
    }

    async fn write(&self, bytes: &[u8], writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let Some(gap) = self.faults.iter().find_map(|fault| match fault {
            Fault::Dribble { gap } => Some(*gap),
            _ => None,
        }) else {
            return writer.write_all(bytes).await;
        };
        for byte in bytes {
            writer.write_all(&[*byte]).await?;
            if gap.is_zero() {
                yield_now().await;
            } else {
                sleep(gap).await;
            }
        }
        Ok(())
    }
}
