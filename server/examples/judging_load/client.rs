//! A browser's connection: one that stays open, with the headers and the cookie that a browser sends, and that is made
//! anew when the server went away.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};

/// How long the server may be away.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
    cookie: String,
    /// Requests that had to be sent again.
    pub sent_again: u64,
}

struct Answer {
    status: u16,
    body: String,
}

impl Client {
    pub fn new(address: SocketAddr) -> Client {
        Client {
            address,
            stream: None,
            cookie: String::new(),
            sent_again: 0,
        }
    }

    /// Posts until the server answers. Gives the answer and how long the try that got it took.
    pub fn post(&mut self, path: &str, kind: &str, body: &str) -> Result<(String, Duration)> {
        let given_up = Instant::now() + PATIENCE;
        loop {
            let start = Instant::now();
            match self.try_post(path, kind, body) {
                Ok(Answer {
                    status: 200 | 303,
                    body,
                }) => return Ok((body, start.elapsed())),
                Ok(Answer { status, body }) if status < 500 && status != 429 => {
                    bail!("{path}: {status} {body}")
                }
                Ok(_) | Err(_) if Instant::now() < given_up => {}
                Ok(Answer { status, body }) => bail!("{path}: {status} {body}"),
                Err(error) => return Err(error),
            }
            self.stream = None;
            self.sent_again += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn try_post(&mut self, path: &str, kind: &str, body: &str) -> Result<Answer> {
        let Client { address, cookie, .. } = &*self;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nSec-Fetch-Site: same-origin\r\n\
             Accept: {kind}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCookie: {cookie}\r\n\r\n{body}",
            body.len()
        );
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                none.insert(BufReader::new(stream))
            }
        };
        stream.get_mut().write_all(request.as_bytes())?;
        let (answer, cookie) = read_answer(stream)?;
        if let Some(cookie) = cookie {
            self.cookie = cookie;
        }
        Ok(answer)
    }
}

fn read_answer(stream: &mut BufReader<TcpStream>) -> Result<(Answer, Option<String>)> {
    let mut status = String::new();
    stream.read_line(&mut status)?;
    let (mut length, mut cookie) = (0, None);
    loop {
        let mut line = String::new();
        ensure!(stream.read_line(&mut line)? > 0, "the connection closed");
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse()?,
            "set-cookie" if value.contains("session=") => {
                cookie = value.split(';').next().map(str::to_owned);
            }
            "transfer-encoding" => bail!("a chunked answer"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let status = status.split(' ').nth(1).unwrap_or_default().parse()?;
    let body = String::from_utf8(body)?;
    Ok((Answer { status, body }, cookie))
}
