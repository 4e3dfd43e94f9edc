//! Clients that hold on to what they get: over real connections.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::post};
use server::limits::connections::{Limits, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
};

const SOON: Duration = Duration::from_millis(300);

async fn start(limits: Limits) -> (SocketAddr, oneshot::Sender<()>) {
    start_told(limits, Arc::default()).await
}

/// `begun` is told when a request has come to its handler, whatever is still to come of its body.
async fn start_told(limits: Limits, begun: Arc<Notify>) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let handler = async move |body: Body| {
        begun.notify_one();
        axum::body::to_bytes(body, 1 << 20)
            .await
            .unwrap()
            .len()
            .to_string()
    };
    let router = Router::new().route("/", post(handler));
    tokio::spawn(serve(listener, router, limits, async {
        drop(stopped.await);
    }));
    (address, stop)
}

async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// What comes until the other end closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "the connection is held");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_come_and_an_idle_connection_are_not_held() {
    let limits = Limits {
        head: SOON,
        ..Limits::default()
    };
    let (address, _stop) = start(limits).await;
    for begun in ["", "POST / HT", "POST / HTTP/1.1\r\nHost: x\r\n"] {
        let answer = rest(send(address, begun).await).await;
        assert!(!answer.contains("200 OK"), "{begun:?}: {answer}");
    }
    let whole = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok";
    let answer = rest(send(address, whole).await).await;
    assert!(
        answer.contains("200 OK") && answer.ends_with('2'),
        "answered, then closed: {answer}"
    );
}

#[tokio::test]
async fn connections_of_one_client_and_of_all_are_bounded() {
    let limits = Limits {
        connections: 3,
        of_one_client: 2,
        head: SOON,
        ..Limits::default()
    };
    let (address, _stop) = start(limits).await;
    let held = [send(address, "P").await, send(address, "P").await];
    let third = rest(send(address, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await).await;
    assert_eq!(third, "", "one more is closed");
    for stream in held {
        rest(stream).await;
    }
    let later = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let answer = rest(send(address, later).await).await;
    assert!(answer.contains("200 OK"), "there is room again: {answer}");
}

#[tokio::test]
async fn a_server_that_stops_lets_a_request_in_flight_end() {
    let begun = Arc::new(Notify::new());
    let (address, stop) = start_told(Limits::default(), Arc::clone(&begun)).await;
    let mut stream = send(
        address,
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nha",
    )
    .await;
    // Who is told to stop before it has taken the request may refuse it.
    begun.notified().await;
    // The rest of the body comes once the server has been told to stop.
    stop.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"lf").await.unwrap();
    let answer = rest(stream).await;
    assert!(
        answer.contains("200 OK") && answer.contains("connection: close"),
        "{answer}"
    );
}
