//! Futures that run at the same time within one task.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// What they give, in their order. Each wake-up looks at all that are left: they are few, one for each server.
pub(super) async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    let mut left = running.len();
    poll_fn(|context| {
        for (future, output) in running.iter_mut().zip(&mut outputs).filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                *output = Some(value);
                left -= 1;
            }
        }
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn they_run_at_the_same_time_and_keep_their_order() {
        let began = Instant::now();
        let futures = [3, 1, 2].map(|seconds| async move {
            sleep(Duration::from_secs(seconds)).await;
            seconds
        });
        assert_eq!(together(futures).await, [3, 1, 2]);
        assert_eq!(began.elapsed().as_secs(), 3);
        assert!(together(std::iter::empty::<std::future::Ready<()>>()).await.is_empty());
    }
}
