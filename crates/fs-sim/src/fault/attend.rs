//! A connection's life under faults that stop it as a whole: it stands still, or it is gone.

use std::pin::pin;

use tokio::sync::watch;

use super::{Board, Client};

/// Runs a connection until it is over by itself, with its result, or dropped, with none. While it is to stand still
/// nothing of it runs.
pub(crate) async fn attend<T>(
    mut board: watch::Receiver<Board>,
    client: Client,
    connection: impl Future<Output = T>,
) -> Option<T> {
    let mut connection = pin!(connection);
    loop {
        let (dropped, still) = {
            let board = board.borrow_and_update();
            (board.drops(&client), board.stills(&client))
        };
        if dropped {
            return None;
        }
        tokio::select! {
            // What is in force is looked at before anything that the connection does.
            biased;
            Ok(()) = board.changed() => {}
            result = &mut connection, if !still => return Some(result),
            else => return None,
        }
    }
}
