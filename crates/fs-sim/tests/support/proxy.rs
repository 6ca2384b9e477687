//! A network in between that a test can cut or silence.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq)]
enum Network {
    Open,
    /// Connections stand, and nothing comes through.
    Silent,
    /// Connections are broken, and new ones too.
    Cut,
}

/// Forwards connections to one address.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    network: watch::Sender<Network>,
    /// How often something has come from the near side, and from the far one.
    asked: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (network, watching) = watch::channel(Network::Open);
        let (asked, answered) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (asks, answers) = (asked.clone(), answered.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (target, network) = (target.clone(), watching.clone());
                let (asks, answers) = (asks.clone(), answers.clone());
                tokio::spawn(async move {
                    if *network.borrow() == Network::Cut {
                        return;
                    }
                    let far = TcpStream::connect(target).await.expect("the server");
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    let mut both = network.clone();
                    tokio::select! {
                        () = forward(near_in, far_out, network.clone(), &asks) => {}
                        () = forward(far_in, near_out, network, &answers) => {}
                        _ = both.wait_for(|network| *network == Network::Cut) => {}
                    }
                });
            }
        });
        Self { address, network, asked, answered }
    }

    /// How often the near side has said something, whether it came through or not.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How often the far side has.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    pub(crate) fn cut(&self) {
        self.network.send_replace(Network::Cut);
    }

    pub(crate) fn silence(&self) {
        self.network.send_replace(Network::Silent);
    }

    pub(crate) fn mend(&self) {
        self.network.send_replace(Network::Open);
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
    count: &AtomicUsize,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length) = from.read(&mut buffer).await {
        count.fetch_add(1, Ordering::SeqCst);
        let _ = network.wait_for(|network| *network != Network::Silent).await;
        if length == 0 || to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}
