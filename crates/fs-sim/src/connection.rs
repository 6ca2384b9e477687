//! One client's connection: bytes in, replies and events out, in the turns of mod_event_socket's loop.

use std::{io, sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    accept::Budgets,
    bounds::Share,
    command::Decoder,
    driver::{Delivery, Input, QUEUE_EVENTS_MAX, Reply},
    event::ListenerId,
    fault::{Line, attend},
    frame,
};

/// How much is read from the socket in one go.
const READ_BYTES: usize = 16 * 1024;

/// How much is gathered before it is written, so that small frames share a packet and large ones wait for none.
const WRITE_BYTES: usize = 256 * 1024;

/// How long the end of a conversation waits for the client's own end: closing a socket with input unread
/// would reset it, and the client might lose what it was told last.
const LINGER: Duration = Duration::from_millis(600);

/// How soon a reply is expected; what is ready goes out before a command that takes longer.
const PROMPT: Duration = Duration::from_millis(1);

/// How often a connection that waits for the rest of a command looks whether the server has given it up.
const GIVEN_UP_PERIOD: Duration = Duration::from_secs(1);

/// A connection and the turn that it is in.
///
/// FreeSWITCH's thread looks at its event queue when it has no command to read, then waits up to 20 ms for
/// input: so events come that late, unless a command wakes the thread. A line end alone does not.
pub(crate) struct Connection {
    listener: ListenerId,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    inputs: mpsc::Sender<Input>,
    turn: Duration,
    turn_began: Instant,
    decoder: Decoder,
    read: BytesMut,
    write: Vec<u8>,
    /// What will be first of the next turn's deliveries.
    held: Option<Delivery>,
    /// The server connected to the client, who speaks first.
    dialled: bool,
    /// What goes wrong with it.
    line: Line,
    /// What it has sent of a command that is not whole yet.
    sent: Share,
    queued: Arc<Share>,
}

/// What a connection shares with others or has from its server.
pub(crate) struct Means {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) turn: Duration,
    pub(crate) line: Line,
    pub(crate) budgets: Budgets,
}

/// The connection's own view of why it ends.
enum End {
    Client,
    Server,
}

/// What a connection wakes up for.
enum Wake {
    Read(usize),
    TurnEnds,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> End {
        End::Client
    }
}

impl Connection {
    pub(crate) fn new(listener: ListenerId, stream: TcpStream, dialled: bool, means: Means) -> Connection {
        // Frames are gathered here already; a delay by the kernel would only blur their times.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let Means { inputs, turn, line, budgets } = means;
        Connection {
            listener,
            reader,
            writer,
            inputs,
            turn,
            turn_began: Instant::now(),
            decoder: Decoder::default(),
            read: BytesMut::new(),
            write: Vec::new(),
            held: None,
            dialled,
            line,
            sent: budgets.sent(),
            queued: Arc::new(budgets.queued()),
        }
    }

    pub(crate) async fn run(mut self) {
        let (events, queue) = mpsc::channel(QUEUE_EVENTS_MAX);
        let (board, client) = self.line.watched();
        let (kill, killed) = oneshot::channel();
        let connected = Input::Connected {
            listener: self.listener,
            events,
            queued: self.queued.clone(),
            dialled: self.dialled,
            client,
            kill,
        };
        if self.inputs.send(connected).await.is_err() {
            return;
        }
        let end = tokio::select! {
            end = attend(board.clone(), client, self.serve(queue)) => end,
            Ok(()) = killed => None,
        };
        let (inputs, listener) = (self.inputs.clone(), self.listener);
        if let Some(Err(End::Server)) = end {
            let _ = inputs.send(Input::Disconnected(listener)).await;
            attend(board, client, timeout(LINGER, self.part())).await;
        } else {
            // Whoever is dropped hears it before the switch does.
            drop(self);
            let _ = inputs.send(Input::Disconnected(listener)).await;
        }
    }

    /// Says that no more will come, and reads what the client still has to say.
    async fn part(&mut self) -> io::Result<()> {
        self.writer.shutdown().await?;
        while self.reader.read_buf(&mut self.read).await? > 0 {
            self.read.clear();
        }
        Ok(())
    }

    async fn serve(&mut self, mut queue: mpsc::Receiver<Delivery>) -> Result<(), End> {
        if !self.dialled {
            self.greet().await?;
        }
        loop {
            let mut turn_ends = true;
            match self.wake(&mut queue).await? {
                Wake::Read(0) => return Err(End::Client),
                Wake::Read(_) => {
                    self.feed().await?;
                    turn_ends = self.run_commands().await? && self.decoder.is_idle();
                }
                Wake::TurnEnds => {}
            }
            let mut last = false;
            if turn_ends {
                last = self.gather(&mut queue).await?;
                self.turn_began = Instant::now();
            }
            self.flush().await?;
            if last {
                return Err(End::Server);
            }
        }
    }

    async fn greet(&mut self) -> Result<(), End> {
        let turned_away = self.line.is_turned_away();
        self.write.extend_from_slice(if turned_away { frame::RUDE_REJECTION } else { frame::AUTH_REQUEST });
        self.flush().await?;
        if turned_away { Err(End::Server) } else { Ok(()) }
    }

    /// Waits for input, or for a delivery and the end of the turn in which it came.
    async fn wake(&mut self, queue: &mut mpsc::Receiver<Delivery>) -> Result<Wake, End> {
        self.read.reserve(READ_BYTES);
        // A half-sent command holds events up.
        while !self.decoder.is_idle() {
            tokio::select! {
                read = self.reader.read_buf(&mut self.read) => return Ok(Wake::Read(read?)),
                () = sleep(GIVEN_UP_PERIOD) => if queue.is_closed() { return Ok(Wake::TurnEnds) },
            }
        }
        // A turn without events costs nothing: the ends of the turns follow from where the last one began.
        if self.held.is_none() {
            tokio::select! {
                read = self.reader.read_buf(&mut self.read) => return Ok(Wake::Read(read?)),
                delivery = queue.recv() => self.held = Some(delivery.ok_or(End::Server)?),
            }
        }
        if self.turn.is_zero() {
            return Ok(Wake::TurnEnds);
        }
        let turns = self.turn_began.elapsed().as_nanos() / self.turn.as_nanos() + 1;
        let turn_ends = self.turn_began + self.turn.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX));
        tokio::select! {
            read = self.reader.read_buf(&mut self.read) => Ok(Wake::Read(read?)),
            () = sleep_until(turn_ends) => Ok(Wake::TurnEnds),
        }
    }

    /// Takes in what has been read. What waits for the rest of a command counts, whoever sends it.
    async fn feed(&mut self) -> Result<(), End> {
        self.decoder.feed(&self.read);
        self.read.clear();
        if self.sent.hold(self.decoder.held()) { Ok(()) } else { self.refuse().await }
    }

    /// Ends a connection that has sent too much of a command.
    async fn refuse<T>(&mut self) -> Result<T, End> {
        self.decoder = Decoder::default();
        let _ = self.inputs.send(Input::TooMuch).await;
        Err(End::Server)
    }

    /// Runs the commands that have come in whole, one after the other: whether there was one.
    async fn run_commands(&mut self) -> Result<bool, End> {
        let mut any = false;
        loop {
            let next = self.decoder.next();
            if next.is_err() {
                return self.refuse().await;
            }
            let Ok(Some(command)) = next else {
                // What has come in meanwhile is before all events.
                match self.reader.try_read_buf(&mut self.read) {
                    Ok(1..) => {
                        self.feed().await?;
                        continue;
                    }
                    // An end shows again when it is waited for.
                    _ => break,
                }
            };
            any = true;
            let (reply, mut answer) = oneshot::channel();
            let input = Input::Command { listener: self.listener, command, reply };
            self.inputs.send(input).await.map_err(|_| End::Client)?;
            let answer = match timeout(PROMPT, &mut answer).await {
                Ok(answer) => answer,
                Err(_) => {
                    self.flush().await?;
                    answer.await
                }
            };
            let Ok(reply) = answer else {
                // The server has closed this connection meanwhile: what it had to say is in the queue.
                self.decoder = Decoder::default();
                return Ok(true);
            };
            let last = reply.last;
            self.answer(reply).await?;
            if last || self.write.len() >= WRITE_BYTES {
                self.flush().await?;
            }
            if last {
                return Err(End::Server);
            }
        }
        if self.line.is_harmed() {
            self.write.extend(self.line.release().into_iter().flatten());
        }
        Ok(any)
    }

    /// Puts an answer where it will be written from, unless it is late or has to wait for another.
    async fn answer(&mut self, Reply { bytes, queued, last }: Reply) -> Result<(), End> {
        if !self.line.is_harmed() {
            if queued == 0 {
                self.write.extend_from_slice(&bytes);
                return Ok(());
            }
            self.flush().await?;
            self.writer.write_all(&bytes).await?;
            self.queued.give(queued);
            return Ok(());
        }
        let lateness = self.line.lateness();
        if !lateness.is_zero() {
            self.flush().await?;
            sleep(lateness).await;
        }
        self.write.extend(self.line.answer(bytes).into_iter().flatten());
        if last {
            self.write.extend(self.line.release().into_iter().flatten());
        }
        if queued > 0 {
            self.flush().await?;
            self.queued.give(queued);
        }
        Ok(())
    }

    /// Takes all that is there, log lines before events, notices after them: whether the connection ends with it.
    async fn gather(&mut self, queue: &mut mpsc::Receiver<Delivery>) -> Result<bool, End> {
        let mut deliveries = Vec::from_iter(self.held.take());
        while let Ok(delivery) = queue.try_recv() {
            deliveries.push(delivery);
        }
        let mut last = deliveries.is_empty() && queue.is_closed();
        for delivery in &deliveries {
            if let Delivery::Log(bytes) = delivery {
                self.queued.give(bytes.len());
                self.write.extend_from_slice(bytes);
            }
        }
        let flushed = deliveries.iter().rposition(|delivery| matches!(delivery, Delivery::Flush)).unwrap_or(0);
        let mut notices = Vec::new();
        for (index, delivery) in deliveries.into_iter().enumerate() {
            match delivery {
                Delivery::Event(bytes) => {
                    self.queued.give(bytes.len());
                    if index >= flushed {
                        self.write.extend_from_slice(&bytes);
                        if self.write.len() >= WRITE_BYTES {
                            self.flush().await?;
                        }
                    }
                }
                Delivery::Flush | Delivery::Log(_) => {}
                Delivery::Notice(bytes) => notices.push(bytes),
                Delivery::Close(bytes) => {
                    notices.push(bytes);
                    last = true;
                }
            }
        }
        self.write.extend(notices.into_iter().flatten());
        Ok(last)
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.write.is_empty() {
            if self.line.is_harmed() {
                let written = self.line.send(&self.write, &mut self.writer).await;
                self.write.clear();
                self.write.shrink_to(2 * WRITE_BYTES);
                return written;
            }
            self.writer.write_all(&self.write).await?;
            self.write.clear();
        }
        Ok(())
    }
}
