//! Takes connections: so many at most, and none that only waits. `axum::serve` knows neither.

use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tower::ServiceExt;

use super::stalling::Stalling;
use crate::network::Network;

/// What is allowed.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, over all clients; one more waits until another ends.
    pub connections: usize,
    /// Connections at once of one client; one more is closed.
    pub of_one_client: usize,
    /// The longest that a connection may take to send the head of its next request, and so stay idle.
    pub head: Duration,
    /// Clients that [`Limits::of_one_client`] does not bind, since they speak for many.
    pub proxies: Vec<Network>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512,
            of_one_client: 256,
            head: Duration::from_secs(30),
            proxies: Vec::new(),
        }
    }
}

/// The most bytes of a request's head.
const MAX_HEAD: usize = 64 * 1024;

/// After an error that the machine will get over: too many open files.
const BREATH: Duration = Duration::from_secs(1);

/// The longest that connections may take to end once the server stops.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// Serves until `stop` is there, then lets the requests in flight end.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: impl Future<Output = ()>) {
    let all = Arc::new(Semaphore::new(limits.connections));
    let clients = Clients::default();
    // Dropped by each connection at its end.
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&all).acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            next = next => match next {
                Some(next) => next,
                None => break,
            },
        };
        match accepted {
            Ok((stream, peer)) => {
                let is_proxy = limits.proxies.iter().any(|network| network.contains(peer.ip()));
                let most = if is_proxy {
                    usize::MAX
                } else {
                    limits.of_one_client
                };
                if let Some(client) = clients.enter(peer.ip(), most) {
                    let connection = Connection {
                        stream,
                        peer,
                        _place: (place, client),
                    };
                    tokio::spawn(connection.run(router.clone(), limits.head, stopped.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop((listener, stopped));
    stopping.send_replace(true);
    // Those that do not end in time are cut.
    drop(tokio::time::timeout(LAST_WORDS, stopping.closed()).await);
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    /// Free again when the connection ends.
    _place: (OwnedSemaphorePermit, Guest),
}

impl Connection {
    async fn run(self, router: Router, head: Duration, mut stopped: watch::Receiver<bool>) {
        // A judgement's answer is one small packet: it must not wait for the next.
        drop(self.stream.set_nodelay(true));
        let peer = self.peer;
        let service = router.map_request(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
        let stream = TokioIo::new(Stalling::new(self.stream));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .max_buf_size(MAX_HEAD)
            .serve_connection(stream, TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        let stopping = async { drop(stopped.wait_for(|stopped| *stopped).await) };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

/// How many connections each client has.
#[derive(Debug, Clone, Default)]
struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of a client, counted until it is dropped.
struct Guest {
    clients: Clients,
    address: IpAddr,
}

impl Clients {
    fn enter(&self, address: IpAddr, most: usize) -> Option<Guest> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Guest {
            clients: self.clone(),
            address,
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut all = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}
