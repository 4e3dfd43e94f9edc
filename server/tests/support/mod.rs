//! A server under test: the real router over a fresh database, and browsers that keep cookies.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use app::context::Services;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use domain::{permission::Role, user::User};
use server::{
    auth::{password, secret::hash_secret},
    rendering::Renderer,
    router::router,
    scoring::ScoringService,
    site::Site,
    state::{AppState, Settings},
};
use store::{Store, TestDb, user::NewUser};
use tower::ServiceExt;

/// The password of everyone that [`TestApp::person`] makes.
pub const PASSWORD: &str = "a few words do well";

const HOST: &str = "touchstone.test";

/// A server over a database of its own.
pub struct TestApp {
    pub db: TestDb,
    setup_code: String,
    router: Router,
}

/// One browser: it keeps cookies and says where its requests come from.
pub struct Browser {
    router: Router,
    pub cookies: BTreeMap<String, String>,
    /// The `Origin` of what it posts; None to leave it out.
    pub origin: Option<String>,
    /// What the terminal shows of a fresh installation.
    pub setup_code: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl TestApp {
    /// A server on SQLite.
    pub async fn new() -> TestApp {
        TestApp::on(TestDb::sqlite().await)
    }

    /// A server on this database.
    pub fn on(db: TestDb) -> TestApp {
        TestApp::reached_over(db, "http")
    }

    /// A server on this database that people reach over this scheme.
    pub fn reached_over(db: TestDb, scheme: &str) -> TestApp {
        let (router, setup_code) = router_over(db.store(), &std::env::temp_dir(), scheme);
        TestApp {
            setup_code,
            router,
            db,
        }
    }

    /// A browser nobody has used.
    pub fn browser(&self) -> Browser {
        Browser {
            setup_code: self.setup_code.clone(),
            ..Browser::over(self.router.clone())
        }
    }

    /// Someone with this role; their email is `{name}@example.org`.
    pub async fn person(&self, name: &str, role: Role) -> User {
        let new = NewUser {
            name: name.to_owned(),
            email: format!("{name}@example.org"),
            password_hash: password::hash(PASSWORD.to_owned()).await.expect("a hash"),
            role,
        };
        self.db.insert_user(new).await.expect("an account")
    }

    /// A browser in which someone with this role is signed in.
    pub async fn signed_in(&self, name: &str, role: Role) -> Browser {
        self.person(name, role).await;
        let mut browser = self.browser();
        let answer = browser.sign_in(name).await;
        assert_eq!(answer.location(), "/", "{}", answer.body);
        browser
    }
}

/// The server's router over this store and data folder, and the code that its set-up asks for.
pub fn router_over(store: Store, data_dir: &Path, scheme: &str) -> (Router, String) {
    let state = state_over(store, data_dir, scheme);
    let code = state.setup_code.as_str().to_owned();
    (router(state, Site::built_in()), code)
}

fn state_over(store: Store, data_dir: &Path, scheme: &str) -> AppState {
    let services = Services {
        store,
        rendering: Arc::new(Renderer::new()),
        hash_secret,
        data_dir: data_dir.into(),
        site: Arc::new(Site::built_in().names()),
        public_url: format!("{scheme}://{HOST}").as_str().into(),
        scoring: Arc::new(ScoringService::new(data_dir)),
    };
    let settings = Settings {
        secure_cookies: scheme == "https",
        max_upload_mb: 16,
        ..Settings::default()
    };
    AppState::new(services, settings)
}

impl Browser {
    /// A browser nobody has used.
    pub fn over(router: Router) -> Browser {
        Browser {
            router,
            cookies: BTreeMap::new(),
            origin: Some(format!("http://{HOST}")),
            setup_code: String::new(),
        }
    }

    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], String::new()).await
    }

    /// Posts a form; that of the set-up with the terminal's code, unless it has one.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| -> String {
            text.bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                    other => format!("%{other:02X}"),
                })
                .collect()
        };
        let code = [("code", self.setup_code.as_str())];
        let adds_code = path == "/setup" && form.iter().all(|(key, _)| *key != "code");
        let added = if adds_code { code.as_slice() } else { &[] };
        let pairs: Vec<String> = form
            .iter()
            .chain(added)
            .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
            .collect();
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.send(Method::POST, path, &[kind], pairs.join("&")).await
    }

    /// Signs in someone made by [`TestApp::person`].
    pub async fn sign_in(&mut self, name: &str) -> Answer {
        let email = format!("{name}@example.org");
        self.post("/sign-in", &[("email", &email), ("password", PASSWORD)])
            .await
    }

    /// Opens a page and gives the sentence that the last form left for it.
    pub async fn flash(&mut self, path: &str) -> String {
        let page = self.get(path).await.body;
        let at = page.find("class=\"alert").expect("a flash on the page");
        let text = page[at..].split_once('>').map_or("", |(_, rest)| rest);
        text.split("</div>").next().unwrap_or_default().to_owned()
    }

    /// Sends anything.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, HOST);
        if !headers.iter().any(|(name, _)| *name == "accept") {
            request = request.header(header::ACCEPT, "text/html");
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self
                .cookies
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        if let (Some(origin), true) = (&self.origin, method != Method::GET) {
            request = request
                .header(header::ORIGIN, origin)
                .header(header::REFERER, format!("{origin}{path}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("a readable cookie");
            let (key, value) = cookie
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a cookie");
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(key);
            } else {
                self.cookies.insert(key.to_owned(), value.to_owned());
            }
        }
        let body = to_bytes(body, 64 << 20).await.expect("a body");
        Answer {
            status: parts.status,
            headers: parts.headers,
            // Without the marks between texts, which are for hydration.
            body: String::from_utf8_lossy(&body)
                .replace("<!>", "")
                .replace("<!---->", ""),
        }
    }
}

impl Answer {
    /// Where it sends the browser; empty if nowhere.
    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// A header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}
