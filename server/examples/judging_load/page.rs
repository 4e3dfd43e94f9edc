//! One person at the judging page: it fetches four ahead and keeps two, sends what was judged until the server has it, and
//! gives back what it holds when it goes. Now and then somebody undoes, skips, reloads, or loses the page.

use std::{collections::VecDeque, net::SocketAddr, sync::atomic::Ordering, time::Duration};

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Work, client::Client, place::PASSWORD};

/// Fewer than these ahead of the one on the screen, and the page asks for more.
const AHEAD: usize = 2;

const JSON: &str = "application/json";

/// How long each request took.
#[derive(Default)]
pub struct Times {
    pub next: Vec<Duration>,
    pub submit: Vec<Duration>,
    pub sent_again: u64,
}

impl Times {
    pub fn add(&mut self, other: Times) {
        self.next.extend(other.next);
        self.submit.extend(other.submit);
        self.sent_again += other.sent_again;
    }
}

pub struct Page {
    client: Client,
    project: Uuid,
    email: String,
    seat: Uuid,
    /// What is on the screen, and what was fetched ahead.
    tasks: VecDeque<Task>,
    times: Times,
    dice: u64,
}

#[derive(Deserialize)]
struct Task {
    comparison_id: Uuid,
    responses: Vec<Shown>,
    supersedes: Option<Uuid>,
}

#[derive(Deserialize)]
struct Shown {
    id: Uuid,
}

#[derive(Deserialize)]
struct Progress {
    remaining: u64,
    elsewhere: u64,
}

impl Page {
    pub fn open(address: SocketAddr, project: Uuid, email: String, seed: u64) -> Page {
        Page {
            client: Client::new(address),
            project,
            email,
            seat: Uuid::new_v4(),
            tasks: VecDeque::new(),
            times: Times::default(),
            dice: seed,
        }
    }

    /// Signs in and judges until nothing is left, or enough is done.
    pub fn work(mut self, work: &Work) -> Result<Times> {
        let form = format!(
            "email={}&password={}",
            self.email.replace('@', "%40"),
            PASSWORD.replace(' ', "+")
        );
        self.client
            .post("/sign-in", "application/x-www-form-urlencoded", &form)?;
        while work.kept.load(Ordering::Relaxed) < work.limit {
            if self.tasks.len() <= AHEAD {
                self.fetch()?;
            }
            let Some(task) = self.tasks.pop_front() else {
                if self.is_done()? {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            std::thread::sleep(work.think);
            match self.throw() {
                0..2 => self.submit(&task, skipped(), task.supersedes).map(drop)?,
                2..4 => {
                    let said = self.submit(&task, preferred(), task.supersedes)?;
                    let undone = self.submit(&task, json!({"verdict": "withdrawn"}), Some(said))?;
                    self.submit(&task, preferred(), Some(undone))?;
                    work.kept.fetch_add(1, Ordering::Relaxed);
                }
                4..7 => self.reload(task)?,
                // The browser died: what it held comes back with the next page.
                7 => self.sit_down(),
                _ => {
                    self.submit(&task, preferred(), task.supersedes)?;
                    work.kept.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        self.times.sent_again = self.client.sent_again;
        Ok(self.times)
    }

    /// 0 to 99.
    fn throw(&mut self) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % 100
    }

    fn fetch(&mut self) -> Result<()> {
        let without: Vec<Uuid> = self.tasks.iter().map(|task| task.comparison_id).collect();
        let body = json!({"project": self.project, "kind": "pair", "without": without, "seat": self.seat});
        let (answer, time) = self.client.post("/fn/judge/next", JSON, &body.to_string())?;
        self.times.next.push(time);
        self.tasks.extend(serde_json::from_str::<Vec<Task>>(&answer)?);
        Ok(())
    }

    fn is_done(&mut self) -> Result<bool> {
        let body = json!({"project": self.project, "kind": "pair"}).to_string();
        let (answer, _) = self.client.post("/fn/judge/progress", JSON, &body)?;
        let progress: Progress = serde_json::from_str(&answer)?;
        Ok(progress.remaining + progress.elsewhere == 0)
    }

    /// Sends what was said and gives its identifier, under which it is sent again if need be.
    fn submit(&mut self, task: &Task, verdict: Value, supersedes: Option<Uuid>) -> Result<Uuid> {
        let shown: Vec<Uuid> = task.responses.iter().map(|response| response.id).collect();
        let ranking = match verdict["verdict"].as_str() {
            Some("preferred") => json!([[shown[0]], [shown[1]]]),
            _ => json!([]),
        };
        let id = Uuid::new_v4();
        let body = json!({"project": self.project, "submission": {
            "id": id, "comparison_id": task.comparison_id, "verdict": verdict, "ranking": ranking,
            "presented": shown, "flagged": false, "justification": null, "confidence": null, "active_ms": 5000,
            "supersedes": supersedes,
        }});
        let (_, time) = self.client.post("/fn/judge/submit", JSON, &body.to_string())?;
        self.times.submit.push(time);
        Ok(id)
    }

    /// Gives back what the page holds, as a page does that goes.
    fn reload(&mut self, shown: Task) -> Result<()> {
        let held = std::iter::once(&shown).chain(&self.tasks);
        let held: Vec<Uuid> = held.map(|task| task.comparison_id).collect();
        let body = json!({"seat": self.seat, "comparisons": held}).to_string();
        self.client.post("/fn/judge/give-back", JSON, &body)?;
        self.sit_down();
        Ok(())
    }

    fn sit_down(&mut self) {
        self.tasks.clear();
        self.seat = Uuid::new_v4();
    }
}

fn preferred() -> Value {
    json!({"verdict": "preferred", "strength": "much"})
}

fn skipped() -> Value {
    json!({"verdict": "skipped", "reason": "other"})
}
