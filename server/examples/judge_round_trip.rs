//! How long one judgement takes on loopback: the real router over HTTP, SQLite with `synchronous=FULL`, a project of
//! as many pairs as `rmb-train` has (12,421).
//!
//! `cargo run --release --workspace --exclude frontend --example judge_round_trip [JUDGEMENTS]`

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use app::context::Services;
use domain::{
    formats::{ComparedResponses, Opinion, ResponseText, Row},
    import::ImportProgress,
    judgement::Strength,
    permission::Role,
    prompt::{Message, Speaker},
};
use serde_json::{Value, json};
use server::{
    auth::{password, secret::hash_secret},
    rendering::Renderer,
    router::router,
    scoring::ScoringService,
    site::Site,
    state::{AppState, Settings},
};
use store::{Store, import::Importer, project::NewProject, user::NewUser};
use uuid::Uuid;

const PAIRS: usize = 12_421;
const PASSWORD: &str = "a few words do well";

#[tokio::main]
async fn main() -> Result<()> {
    let judgements: usize = std::env::args().nth(1).map_or(Ok(2_000), |count| count.parse())?;
    let folder = std::env::current_dir()?.join(format!("target/judge_round_trip-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = measure(&folder, judgements).await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(folder: &std::path::Path, judgements: usize) -> Result<()> {
    let store = Store::connect(&format!("sqlite:{}", folder.join("bench.db").display())).await?;
    let project = fill(&store).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let site = Site::built_in();
    let services = Services {
        store,
        rendering: Arc::new(Renderer::new()),
        hash_secret,
        data_dir: folder.into(),
        site: Arc::new(site.names()),
        public_url: format!("http://{address}").as_str().into(),
        scoring: Arc::new(ScoringService::new(&std::env::temp_dir())),
    };
    let settings = Settings {
        secure_cookies: false,
        behind_proxy: false,
        max_upload_mb: 1,
    };
    let service =
        router(AppState::new(services, settings), site).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    tokio::task::spawn_blocking(move || judge(address, project, judgements)).await?
}

/// The pairs, with an imported opinion on each, as after an import.
async fn fill(store: &Store) -> Result<Uuid> {
    let new = NewProject {
        name: "Round trip".into(),
        instructions: String::new(),
        demo: false,
        created_by: None,
    };
    let project = store.insert_project(new).await?.id;
    let annotator = store.ensure_annotator("dataset").await?;
    let mut importer = Importer::new(store.clone(), project, Uuid::nil(), Some(annotator));
    let rows: Vec<Row> = (0..PAIRS).map(row).collect();
    let mut progress = ImportProgress::default();
    for rows in rows.chunks(1_000) {
        importer.insert(rows, &mut progress, None).await?;
    }
    let new = NewUser {
        name: "Ada".into(),
        email: "ada@example.org".into(),
        password_hash: password::hash(PASSWORD.to_owned()).await?,
        role: Role::Trainer,
    };
    store.insert_user(new).await?;
    Ok(project)
}

fn row(n: usize) -> Row {
    let text = |what: &str| {
        format!(
            "{what} {n}: {}",
            "some *words* of an answer that goes on. ".repeat(30)
        )
    };
    let response = |side: &str| ResponseText {
        content: text(side),
        ..ResponseText::default()
    };
    Row {
        prompt: vec![Message {
            role: Speaker::User,
            content: text("Question"),
        }],
        category: None,
        language: None,
        responses: vec![response("One"), response("Other")],
        comparisons: vec![ComparedResponses {
            responses: vec![0, 1],
            opinion: Some(Opinion {
                ranking: vec![vec![0], vec![1]],
                strength: Some(Strength::Clearly),
                ..Opinion::default()
            }),
        }],
        ..Row::default()
    }
}

fn judge(address: SocketAddr, project: Uuid, judgements: usize) -> Result<()> {
    let mut client = Client::connect(address)?;
    client.post(
        "/sign-in",
        "application/x-www-form-urlencoded",
        &format!("email=ada%40example.org&password={}", PASSWORD.replace(' ', "+")),
    )?;
    let (mut submits, mut trips, mut fetches) = (Vec::new(), Vec::new(), Vec::new());
    let mut tasks: Vec<Value> = Vec::new();
    for _ in 0..judgements {
        let mut fetch = Duration::ZERO;
        if tasks.is_empty() {
            let start = Instant::now();
            let body = json!({"project": project, "kind": "pair", "without": []});
            tasks = serde_json::from_str(&client.post(
                "/fn/judge/next",
                "application/json",
                &body.to_string(),
            )?)?;
            fetch = start.elapsed();
            fetches.push(fetch);
        }
        let task = tasks.pop().context("no more pairs")?;
        let shown = [&task["responses"][0]["id"], &task["responses"][1]["id"]];
        let body = json!({"project": project, "submission": {
            "id": Uuid::new_v4(), "comparison_id": task["comparison_id"],
            "verdict": {"verdict": "preferred", "strength": "much"}, "ranking": [[shown[0]], [shown[1]]],
            "presented": shown, "flagged": false, "justification": null, "confidence": null, "active_ms": 5000,
            "supersedes": null,
        }});
        let start = Instant::now();
        client.post("/fn/judge/submit", "application/json", &body.to_string())?;
        submits.push(start.elapsed());
        trips.push(fetch + start.elapsed());
    }
    println!("{judgements} judgements, {PAIRS} pairs in the project, SQLite synchronous=FULL");
    for (what, mut times) in [
        ("submit", submits),
        ("next four", fetches),
        ("next + submit", trips),
    ] {
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!(
            "{what:14} p50 {:6.2} ms   p99 {:6.2} ms   max {:6.2} ms",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    Ok(())
}

/// One connection that stays open.
struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    cookie: String,
}

impl Client {
    fn connect(address: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream: BufReader::new(stream),
            address,
            cookie: String::new(),
        })
    }

    fn post(&mut self, path: &str, kind: &str, body: &str) -> Result<String> {
        let Client { address, cookie, .. } = &*self;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nAccept: {kind}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\nCookie: {cookie}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = None;
        loop {
            let mut line = String::new();
            ensure!(self.stream.read_line(&mut line)? > 0, "the connection closed");
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = Some(value.parse::<usize>()?),
                "set-cookie" if value.starts_with("session=") => {
                    self.cookie = value.split(';').next().unwrap_or_default().to_owned();
                }
                "transfer-encoding" => bail!("a chunked answer to {path}"),
                _ => {}
            }
        }
        let mut answer = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut answer)?;
        let answer = String::from_utf8(answer)?;
        let fine = status.contains(" 200 ") || status.contains(" 303 ");
        ensure!(fine, "{path}: {status}{answer}");
        Ok(answer)
    }
}
