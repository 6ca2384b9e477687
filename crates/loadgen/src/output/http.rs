//! Serves `/metrics` over HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info};

use super::metrics::Metrics;
use super::{Created, Output, OutputOptions, Update};
use crate::measure::Snapshot;

/// The web server of a run.
struct Http {
    snapshots: watch::Sender<Arc<Snapshot>>,
    server: JoinHandle<()>,
}

/// The web server, where an address is configured. It serves zeros until the run starts.
pub(super) fn create(options: &OutputOptions) -> Created {
    let Some(address) = options.http else { return Ok(None) };
    let listener = bind(address).with_context(|| format!("[http] cannot listen on {address}"))?;
    info!(address = %listener.local_addr()?, "serving /metrics");
    let (snapshots, receiver) = watch::channel(options.first.clone());
    let metrics = Metrics::new(options.names.clone(), options.thresholds.clone(), receiver)?;
    Ok(Some(Box::new(Http { snapshots, server: tokio::spawn(serve(listener, metrics)) })))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

impl Output for Http {
    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        self.snapshots.send_replace(update.snapshot.clone());
        Ok(())
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, metrics: Metrics) {
    let router = Router::new().route("/metrics", get(scrape)).with_state(metrics);
    if let Err(error) = axum::serve(listener, router).await {
        error!(%error, "the web server ended");
    }
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    match metrics.encode() {
        Ok((text, content_type)) => ([(header::CONTENT_TYPE, content_type)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
