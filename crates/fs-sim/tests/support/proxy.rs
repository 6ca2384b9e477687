//! A network in between that a test can cut or silence.

use std::net::SocketAddr;

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
}

impl Proxy {
    pub(crate) async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (network, watching) = watch::channel(Network::Open);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (target, network) = (target.clone(), watching.clone());
                tokio::spawn(async move {
                    if *network.borrow() == Network::Cut {
                        return;
                    }
                    let far = TcpStream::connect(target).await.expect("the server");
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    let mut both = network.clone();
                    tokio::select! {
                        () = forward(near_in, far_out, network.clone()) => {}
                        () = forward(far_in, near_out, network) => {}
                        _ = both.wait_for(|network| *network == Network::Cut) => {}
                    }
                });
            }
        });
        Self { address, network }
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

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut network: watch::Receiver<Network>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length) = from.read(&mut buffer).await {
        let _ = network.wait_for(|network| *network != Network::Silent).await;
        if length == 0 || to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}
