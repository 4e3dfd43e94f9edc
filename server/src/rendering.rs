//! Rendering of Markdown off the threads that answer requests, each text once: what comes of it never changes.

use std::{
    collections::HashMap,
    panic,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use app::{rendering::Rendering, scoring::Answer};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::markdown;

/// Bytes of HTML that are kept.
const ROOM: usize = 64 << 20;
/// What an entry takes beside its HTML.
const PER_ENTRY: usize = 128;

/// Renders, and keeps what came of it.
#[derive(Clone)]
pub struct Renderer(Arc<Shared>);

struct Shared {
    render: fn(&str) -> String,
    kept: Mutex<Kept>,
    /// Half of the processors, so that a pile of long texts leaves room for everything else.
    places: Semaphore,
}

impl Renderer {
    pub fn new() -> Renderer {
        Renderer::with(markdown::render, ROOM)
    }

    fn with(render: fn(&str) -> String, room: usize) -> Renderer {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Renderer(Arc::new(Shared {
            render,
            kept: Mutex::new(Kept::new(room)),
            places: Semaphore::new(processors.div_ceil(2)),
        }))
    }
}

impl Default for Renderer {
    fn default() -> Renderer {
        Renderer::new()
    }
}

impl Rendering for Renderer {
    fn render(&self, texts: Vec<String>) -> Answer<Vec<String>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let mut found = shared.look_up(&texts);
            if found.iter().any(Option::is_none) {
                // Closed never; and whoever is no longer waited for gives the place back.
                let place = shared.places.acquire().await;
                let shared = Arc::clone(&shared);
                let texts = Arc::new(texts);
                let work = {
                    let texts = Arc::clone(&texts);
                    move || shared.render_all(&texts)
                };
                let rendered = tokio::task::spawn_blocking(work).await;
                drop(place);
                found = rendered.map_or_else(
                    |_| {
                        texts
                            .iter()
                            .map(|text| Some(markdown::as_written(text).into()))
                            .collect()
                    },
                    |all| all.into_iter().map(Some).collect(),
                );
            }
            found
                .into_iter()
                .flatten()
                .map(|html| html.as_ref().to_owned())
                .collect()
        })
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_up(&self, texts: &[String]) -> Vec<Option<Arc<str>>> {
        let keys: Vec<Key> = texts.iter().map(|text| key(text)).collect();
        let mut kept = self.kept();
        keys.iter().map(|key| kept.find(key)).collect()
    }

    fn render_all(&self, texts: &[String]) -> Vec<Arc<str>> {
        let render = |text: &String| {
            let key = key(text);
            // Somebody else may have rendered it while this waited for a place.
            if let Some(html) = self.kept().find(&key) {
                return html;
            }
            let html = panic::catch_unwind(|| (self.render)(text)).unwrap_or_else(|_| {
                tracing::error!(bytes = text.len(), "a text could not be rendered");
                markdown::as_written(text)
            });
            let html: Arc<str> = html.into();
            self.kept().keep(key, Arc::clone(&html));
            html
        };
        texts.iter().map(render).collect()
    }
}

/// SHA-256 of the text.
type Key = [u8; 32];

fn key(text: &str) -> Key {
    Sha256::digest(text.as_bytes()).into()
}

/// The HTML of texts, as much as there is room for.
struct Kept {
    room: usize,
    taken: usize,
    clock: u64,
    html: HashMap<Key, (Arc<str>, u64)>,
}

impl Kept {
    fn new(room: usize) -> Kept {
        Kept {
            room,
            taken: 0,
            clock: 0,
            html: HashMap::new(),
        }
    }

    fn find(&mut self, key: &Key) -> Option<Arc<str>> {
        self.clock += 1;
        let (html, used) = self.html.get_mut(key)?;
        *used = self.clock;
        Some(Arc::clone(html))
    }

    fn keep(&mut self, key: Key, html: Arc<str>) {
        self.clock += 1;
        self.taken += html.len() + PER_ENTRY;
        if let Some((old, _)) = self.html.insert(key, (html, self.clock)) {
            self.taken -= old.len() + PER_ENTRY;
        }
        if self.taken > self.room {
            self.forget_half();
        }
    }

    /// Forgets what was not used for the longest time; by halves, so that it is seldom.
    fn forget_half(&mut self) {
        let mut by_age: Vec<(u64, Key)> = self.html.iter().map(|(key, (_, used))| (*used, *key)).collect();
        by_age.sort_unstable();
        for (_, key) in by_age {
            if self.taken <= self.room / 2 {
                break;
            }
            if let Some((html, _)) = self.html.remove(&key) {
                self.taken -= html.len() + PER_ENTRY;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_text_is_rendered_once_however_often_it_is_shown() {
        static RENDERED: AtomicUsize = AtomicUsize::new(0);
        fn count(text: &str) -> String {
            RENDERED.fetch_add(1, Ordering::SeqCst);
            format!("<p>{text}</p>")
        }
        let renderer = Renderer::with(count, ROOM);
        for _ in 0..3 {
            let html = renderer.render(vec!["a".into(), "b".into(), "a".into()]).await;
            assert_eq!(html, ["<p>a</p>", "<p>b</p>", "<p>a</p>"]);
        }
        let together = (0..16).map(|_| renderer.render(vec!["c".into()]));
        futures::future::join_all(together).await;
        // Two at once may both find nothing; never all.
        assert!(
            RENDERED.load(Ordering::SeqCst) <= 2 + thread::available_parallelism().map_or(1, usize::from)
        );
    }

    #[tokio::test]
    async fn what_is_kept_has_an_end() {
        let renderer = Renderer::with(str::to_owned, 10_000);
        for index in 0..1_000 {
            renderer
                .render(vec![format!("{index} {}", "x".repeat(100))])
                .await;
            let kept = renderer.0.kept();
            assert!(kept.taken <= 10_000, "{} bytes kept", kept.taken);
            let counted: usize = kept.html.values().map(|(html, _)| html.len() + PER_ENTRY).sum();
            assert_eq!(kept.taken, counted);
        }
    }

    #[tokio::test]
    async fn a_text_that_breaks_the_renderer_is_shown_as_written() {
        fn broken(_: &str) -> String {
            panic!("as a fault in a library would")
        }
        let html = Renderer::with(broken, ROOM).render(vec!["<b>".into()]).await;
        assert!(html[0].contains("&lt;b&gt;"), "{html:?}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_long_text_does_not_hold_up_other_requests() {
        use std::sync::mpsc;
        static GO_ON: Mutex<Option<mpsc::Receiver<()>>> = Mutex::new(None);
        fn wait(_: &str) -> String {
            let go_on = GO_ON.lock().unwrap().take().unwrap();
            go_on.recv().unwrap();
            "done".into()
        }
        let (tell, told) = mpsc::channel();
        *GO_ON.lock().unwrap() = Some(told);
        let renderer = Renderer::with(wait, ROOM);
        let long = tokio::spawn(async move { renderer.render(vec!["long".into()]).await });
        // On the one thread of this test: it runs while the text is rendered, or the test never ends.
        tokio::spawn(async move { tell.send(()).unwrap() }).await.unwrap();
        assert_eq!(long.await.unwrap(), ["done"]);
    }
}
