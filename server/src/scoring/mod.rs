//! Scores on request. Requests wait in a bounded queue; one thread takes those for the same model together, and
//! keeps the models it used last in memory.

mod thread;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use app::scoring::{Answer, Base, ItemScores, Scoring, ScoringError};
use domain::score::{ScoreItem, Scored};
use recipe::{Method, Recipe, Refusal};
use reward_model::{Example, check_recipe};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{base_model::BaseModel, chosen_base, data_folder, model};

/// Requests that may wait; one more is told to come back later.
const QUEUE: usize = 64;

/// Characters that may wait, over all requests.
const QUEUE_CHARACTERS: usize = 8_000_000;

/// The model thread's other end. Clones share it.
#[derive(Debug, Clone)]
pub struct ScoringService {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    data_dir: PathBuf,
    base: BaseModel,
    /// Started with the first request.
    queue: OnceLock<mpsc::SyncSender<Request>>,
    /// Characters of the requests that wait or are being scored.
    waiting: Arc<AtomicUsize>,
}

/// What waits for the model thread.
struct Request {
    model_dir: PathBuf,
    examples: Vec<Example>,
    reply: oneshot::Sender<Result<Vec<reward_model::Scored>, ScoringError>>,
    /// Gives its characters back when it is done.
    _room: Room,
}

/// A share of [`QUEUE_CHARACTERS`], given back when dropped.
struct Room {
    waiting: Arc<AtomicUsize>,
    characters: usize,
}

impl ScoringService {
    /// Scores with the models of the runs in this data folder.
    pub fn new(data_dir: &Path) -> ScoringService {
        ScoringService::on(data_dir, None)
    }

    /// The same where the configuration may name the folder of a base model, to which the settings of new runs are fitted.
    pub fn on(data_dir: &Path, base_model: Option<PathBuf>) -> ScoringService {
        ScoringService {
            shared: Arc::new(Shared {
                data_dir: data_dir.to_owned(),
                base: BaseModel::new(data_dir, base_model),
                queue: OnceLock::new(),
                waiting: Arc::default(),
            }),
        }
    }

    /// Scores examples with the model in a folder.
    async fn score_examples(
        &self,
        model_dir: PathBuf,
        examples: Vec<Example>,
    ) -> Result<Vec<Scored>, ScoringError> {
        let characters = examples.iter().map(characters).sum();
        let room = Room::take(&self.shared.waiting, characters).ok_or(ScoringError::Busy)?;
        let (reply, answer) = oneshot::channel();
        let request = Request {
            model_dir,
            examples,
            reply,
            _room: room,
        };
        let queue = self.shared.queue.get_or_init(|| thread::start(QUEUE));
        queue.try_send(request).map_err(|refused| match refused {
            mpsc::TrySendError::Full(_) => ScoringError::Busy,
            mpsc::TrySendError::Disconnected(_) => ScoringError::Failed("the model thread is gone".into()),
        })?;
        let answer = answer
            .await
            .map_err(|_| ScoringError::Failed("the model thread panicked".into()))?;
        Ok(answer?.iter().map(model::scored).collect())
    }
}

impl Scoring for ScoringService {
    fn defaults(&self, method: Method, base: &str) -> Recipe {
        let Shared {
            data_dir, base: own, ..
        } = &*self.shared;
        let settings = Recipe::of(method);
        // The default is for models that read as much; others read what they can.
        let longest = chosen_base::longest(base, data_dir, own).unwrap_or(settings.max_tokens);
        Recipe {
            max_tokens: longest.min(settings.max_tokens),
            ..settings
        }
    }

    fn bases(&self) -> Vec<Base> {
        chosen_base::offered(&self.shared.data_dir, &self.shared.base)
    }

    fn check(&self, settings: &Recipe) -> Result<(), Refusal> {
        let Shared {
            data_dir, base: own, ..
        } = &*self.shared;
        let name = settings.base_model.to_string_lossy();
        if let Some(reason) = chosen_base::refusal(&name, data_dir, own) {
            return Err(Refusal {
                setting: "base_model",
                reason,
            });
        }
        check_recipe(&Recipe {
            // It is found at the start.
            base_model: "base".into(),
            ..settings.clone()
        })
    }

    fn score(&self, run: Uuid, items: Vec<ScoreItem>) -> Answer<Result<ItemScores, ScoringError>> {
        let service = self.clone();
        Box::pin(async move {
            let model_dir = data_folder::model(&service.shared.data_dir, run);
            if !tokio::fs::try_exists(&model_dir).await.unwrap_or(false) {
                return Err(ScoringError::NoModel);
            }
            let sizes: Vec<usize> = items.iter().map(|item| item.responses.len()).collect();
            let mut scored = service
                .score_examples(model_dir, examples(items))
                .await?
                .into_iter();
            Ok(sizes
                .into_iter()
                .map(|size| scored.by_ref().take(size).collect())
                .collect())
        })
    }
}

/// Every response of every item, in their order.
pub fn examples(items: Vec<ScoreItem>) -> Vec<Example> {
    let mut examples = Vec::new();
    for item in items {
        let prompt = model::messages(&item.prompt.into_messages());
        examples.extend(item.responses.into_iter().map(|response| Example {
            prompt: prompt.clone(),
            response,
        }));
    }
    examples
}

fn characters(example: &Example) -> usize {
    example.response.len()
        + example
            .prompt
            .iter()
            .map(|message| message.content.len())
            .sum::<usize>()
}

impl Room {
    fn take(waiting: &Arc<AtomicUsize>, characters: usize) -> Option<Room> {
        let fits =
            |now: usize| (now == 0 || now + characters <= QUEUE_CHARACTERS).then_some(now + characters);
        waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fits)
            .ok()?;
        Some(Room {
            waiting: Arc::clone(waiting),
            characters,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.characters, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run's model of which a weight is no number, as a broken disk might leave it.
    #[tokio::test]
    async fn a_reward_that_is_no_number_is_an_error_with_its_cause() {
        let data_dir = std::env::temp_dir().join(format!("touchstone-scoring-{}", Uuid::new_v4()));
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reward_model/tests/fixtures/tiny");
        let run = Uuid::new_v4();
        let model = data_folder::model(&data_dir, run);
        std::fs::create_dir_all(&model).unwrap();
        for name in ["config.json", "tokenizer.json"] {
            std::fs::copy(tiny.join(name), model.join(name)).unwrap();
        }
        let mut weights = std::fs::read(tiny.join("model.safetensors")).unwrap();
        let end = weights.len();
        weights[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(model.join("model.safetensors"), weights).unwrap();
        let item = ScoreItem {
            prompt: domain::score::PromptText::Plain("help".into()),
            responses: vec!["yes".into()],
        };
        let refused = ScoringService::new(&data_dir)
            .score(run, vec![item])
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, ScoringError::NotFinite(cause) if cause.contains("classifier.weight")),
            "{refused}"
        );
        let answered = app::error::AppError::from(refused);
        assert!(
            matches!(&answered, app::error::AppError::Unavailable(said) if !said.contains("touchstone-scoring")),
            "{answered}"
        );
        std::fs::remove_dir_all(data_dir).unwrap();
    }

    #[test]
    fn room_is_bounded_and_given_back() {
        let waiting = Arc::default();
        let one = Room::take(&waiting, QUEUE_CHARACTERS + 1).expect("an empty queue takes anything");
        assert!(Room::take(&waiting, 1).is_none());
        drop(one);
        assert!(Room::take(&waiting, 1).is_some());
    }

    #[test]
    fn a_base_model_that_reads_less_gives_the_form_what_it_reads() {
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reward_model/tests/fixtures/tiny");
        let service = ScoringService::on(Path::new("."), Some(tiny));
        assert_eq!(service.defaults(Method::Full, "").max_tokens, 96);
        let missing = ScoringService::on(Path::new("."), Some("nowhere".into()));
        assert_eq!(missing.defaults(Method::Full, "").max_tokens, 512);
    }

    #[test]
    fn a_setting_out_of_range_is_named() {
        let service = ScoringService::new(Path::new("."));
        let mut settings = service.defaults(Method::Full, "");
        assert_eq!(service.check(&settings), Ok(()));
        settings.learning_rate = 3.0;
        let refused = service.check(&settings).unwrap_err().to_string();
        assert_eq!(refused, "learning_rate: must be above 0 and at most 1");
    }
}
