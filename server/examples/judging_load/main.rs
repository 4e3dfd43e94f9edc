//! How many judgements a server takes from people who work at once, and whether any comparison gets one too many: clients
//! like the judging page, over HTTP, against `touchstone serve` in a process of its own, which is killed and started again
//! on the way.
//!
//! `cargo run --release --workspace --exclude frontend --example judging_load -- --help`
//!
//! PostgreSQL is the server that `DATABASE_URL` names, else a private one without fsync from Debian's programs.

mod client;
mod page;
mod place;
mod serving;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use store::TestDb;

use self::{
    page::{Page, Times},
    place::{Place, Verdicts},
    serving::Server,
};

/// Measures judging by people who work at once; fails if a comparison got a judgement too many.
#[derive(Debug, Parser)]
struct Args {
    /// How many people work at once; one round for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32])]
    people: Vec<usize>,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Database::Sqlite, Database::Postgres])]
    database: Vec<Database>,
    /// Whether nothing is judged at the start, or half of the pairs are.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Start::Fresh, Start::Half])]
    start: Vec<Start>,
    /// Pairs in the project.
    #[arg(long, default_value_t = 2_000)]
    pairs: usize,
    /// How many people are to judge each.
    #[arg(long, default_value_t = 1)]
    wanted: i32,
    /// How often the server is killed (SIGKILL) and started again.
    #[arg(long, default_value_t = 10)]
    kills: usize,
    /// Only so many judgements, instead of all.
    #[arg(long)]
    judgements: Option<usize>,
    /// How long everyone thinks about a pair.
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    think: u64,
    /// The program to measure.
    #[arg(long, default_value = "target/release/touchstone")]
    touchstone: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Start {
    Fresh,
    Half,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(
        args.touchstone.exists(),
        "{} is not there: build it, or name it with --touchstone",
        args.touchstone.display()
    );
    let runtime = tokio::runtime::Runtime::new()?;
    println!(
        "{} pairs, {} wanted for each, {} kills\n",
        args.pairs, args.wanted, args.kills
    );
    println!(
        "| database | people | project | judgements | per second | next p50 / p99 | submit p50 / p99 | sent again | over |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut over = 0;
    for &database in &args.database {
        for &start in &args.start {
            for &people in &args.people {
                over += runtime.block_on(measure(&args, database, start, people))?;
            }
        }
    }
    ensure!(over == 0, "{over} judgements over the wanted number");
    Ok(())
}

/// One round; prints its line and gives the judgements over the wanted number.
async fn measure(args: &Args, database: Database, start: Start, people: usize) -> Result<u64> {
    let db = match database {
        Database::Sqlite => TestDb::sqlite().await,
        Database::Postgres => TestDb::postgres().await.context("PostgreSQL is not installed")?,
    };
    let place = Place::fill(&db, args.pairs, args.wanted, people).await?;
    if start == Start::Half {
        place.judge_half(&db).await?;
    }
    let before = place.count(&db).await?.in_force;
    let (server, pages) = (Server::start(&args.touchstone, db.url())?, AtomicUsize::new(0));
    let begun = Arc::new(Work {
        kept: pages,
        limit: args.judgements.unwrap_or(usize::MAX),
        think: Duration::from_millis(args.think),
    });
    let clock = Instant::now();
    let workers: Vec<_> = place
        .emails
        .iter()
        .enumerate()
        .map(|(n, email)| {
            let page = Page::open(server.address, place.project, email.clone(), n as u64);
            let work = begun.clone();
            std::thread::spawn(move || page.work(&work))
        })
        .collect();
    let expected = (args.pairs * args.wanted as usize - before as usize).min(begun.limit);
    let server = kill_on_the_way(server, args.kills, expected, &begun, &workers)?;
    let mut times = Times::default();
    for worker in workers {
        let own = worker
            .join()
            .map_err(|_| anyhow::anyhow!("a client panicked"))??;
        times.add(own);
    }
    let seconds = clock.elapsed().as_secs_f64();
    drop(server);
    let after = place.count(&db).await?;
    report(database, start, people, (before, after), &mut times, seconds)?;
    Ok(after.over)
}

/// What all clients share.
pub struct Work {
    /// Judgements that the server has acknowledged.
    kept: AtomicUsize,
    limit: usize,
    think: Duration,
}

type Worker = std::thread::JoinHandle<Result<Times>>;

/// Kills the server so many times, evenly over the work that there is.
fn kill_on_the_way(
    mut server: Server,
    kills: usize,
    expected: usize,
    work: &Work,
    workers: &[Worker],
) -> Result<Server> {
    for kill in 1..=kills {
        let at = expected * kill / (kills + 1);
        while work.kept.load(Ordering::Relaxed) < at {
            ensure!(
                !workers.iter().all(std::thread::JoinHandle::is_finished),
                "the clients stopped before kill {kill} of {kills}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        server.kill_and_restart()?;
    }
    Ok(server)
}

fn report(
    database: Database,
    start: Start,
    people: usize,
    (before, after): (u64, Verdicts),
    times: &mut Times,
    seconds: f64,
) -> Result<()> {
    let judgements = after.in_force - before;
    let [next, submit] = [&mut times.next, &mut times.submit].map(|times| {
        times.sort_unstable();
        let at = |share: f64| {
            let index = (times.len().saturating_sub(1) as f64 * share) as usize;
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        format!("{:.1} / {:.1} ms", at(0.5), at(0.99))
    });
    println!(
        "| {database:?} | {people} | {start:?} | {judgements} | {:.0} | {next} | {submit} | {} | {} |",
        judgements as f64 / seconds,
        times.sent_again,
        after.over
    );
    ensure!(
        after.over == after.counted_over,
        "{} are over and the store says {}",
        after.over,
        after.counted_over
    );
    Ok(())
}
