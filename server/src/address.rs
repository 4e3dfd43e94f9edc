//! Under which addresses people reach this server: what the settings say, and what a request came to. Links that leave
//! the server are made of it, and no other host may have posted a form here: a foreign name that points to this machine
//! (DNS rebinding) would make `Origin` and `Host` agree.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, Uri, header, request::Parts, uri::Authority},
    middleware::Next,
    response::Response,
};

use crate::state::AppState;

/// The public address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error(
        "the public address “{0}” is not one: give what people type into the browser, such as https://touchstone.example"
    )]
    Malformed(String),
    #[error("the public address “{0}” must begin with http:// or https://")]
    Scheme(String),
    #[error(
        "the public address “{0}” has a path: Touchstone has to have a host name of its own, such as https://touchstone.example"
    )]
    Path(String),
    #[error("the public address “{0}” must not hold a name or a password")]
    Person(String),
}

/// Checks a public address; gives it in lower case and without a slash at the end.
///
/// # Errors
/// With a sentence that says what is wrong with it.
pub fn parse(given: &str) -> Result<String, AddressError> {
    let text = given.trim();
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(AddressError::Scheme(given.to_owned()));
    };
    if !["http", "https"].contains(&scheme.to_lowercase().as_str()) {
        return Err(AddressError::Scheme(given.to_owned()));
    }
    let malformed = || AddressError::Malformed(given.to_owned());
    let uri: Uri = text.parse().map_err(|_| malformed())?;
    let authority = uri.authority().ok_or_else(malformed)?;
    if authority.as_str().contains('@') {
        return Err(AddressError::Person(given.to_owned()));
    }
    if uri.path() != "/" || uri.query().is_some() || rest.contains('#') {
        return Err(AddressError::Path(given.to_owned()));
    }
    if authority.host().is_empty() || (authority.as_str().ends_with(':')) {
        return Err(malformed());
    }
    Ok(format!(
        "{}://{}",
        scheme.to_lowercase(),
        authority.as_str().to_lowercase()
    ))
}

/// The addresses of this server.
#[derive(Debug, Clone)]
pub struct Address {
    /// With scheme, without a slash at the end.
    public: Arc<str>,
    /// Nobody gave the public address: it is made of the one that the server listens on.
    is_guessed: bool,
    /// The machine's name, in lower case.
    machine: Arc<str>,
}

impl Address {
    /// Of a server whose public address is this.
    pub fn new(public: &str, is_guessed: bool) -> Address {
        let machine = hostname::get().map(|name| name.to_string_lossy().to_lowercase());
        Address {
            public: public.into(),
            is_guessed,
            machine: machine.unwrap_or_default().into(),
        }
    }

    /// Whether people reach the server over TLS.
    pub fn is_https(&self) -> bool {
        self.public.starts_with("https:")
    }

    /// The public address.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Whether a form may have come from a page of this origin, to this host.
    pub fn is_own_origin(&self, origin: &str, host: &str) -> bool {
        if origin.eq_ignore_ascii_case(&self.public) {
            return true;
        }
        let of_origin = origin.split_once("://").map(|(_, rest)| rest);
        of_origin.is_some_and(|of_origin| of_origin.eq_ignore_ascii_case(host)) && self.is_own_host(host)
    }

    /// Whether a name, with its port if it has one, can stand for this server and nothing else: the public one, an IP
    /// address (nobody can point it elsewhere), this machine's own names as long as no public one was given.
    pub fn is_own_host(&self, host: &str) -> bool {
        if self
            .public
            .split_once("://")
            .is_some_and(|(_, own)| own.eq_ignore_ascii_case(host))
        {
            return true;
        }
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host().trim_matches(['[', ']']).to_lowercase();
        let is_machine = !self.machine.is_empty()
            && (name == *self.machine || name.strip_suffix(".local") == Some(&*self.machine));
        name.parse::<IpAddr>().is_ok() || name == "localhost" || (self.is_guessed && is_machine)
    }

    /// The address to make links of, for whoever sent this request.
    pub fn base(&self, headers: &HeaderMap) -> String {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        match host.filter(|host| self.is_guessed && self.is_own_host(host)) {
            Some(host) => format!("http://{host}"),
            None => self.public.to_string(),
        }
    }
}

/// The address that links are made of.
#[derive(Debug, Clone)]
pub struct BaseUrl(pub String);

impl FromRequestParts<AppState> for BaseUrl {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<BaseUrl, Self::Rejection> {
        Ok(BaseUrl(state.address.base(&parts.headers)))
    }
}

/// Tells pages the address that links are made of.
pub async fn tell_pages(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let base = state.address.base(request.headers());
    request
        .extensions_mut()
        .insert(app::context::BaseUrl(base.into()));
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_public_address_is_a_scheme_and_a_host() {
        for (given, kept) in [
            ("https://Touch.example", "https://touch.example"),
            ("http://10.0.0.5:8080/", "http://10.0.0.5:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(parse(given).as_deref(), Ok(kept));
        }
        for wrong in [
            "",
            "touch.example",
            "touch.example:8080",
            "ftp://touch.example",
            "https://",
            "https:///x",
            "https://touch.example/tools",
            "https://touch.example/?x=1",
            "https://touch.example/#x",
            "https://me:secret@touch.example",
            "https://touch example",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let told = parse("https://touch.example/tools").unwrap_err().to_string();
        assert!(told.contains("has a path"), "{told}");
    }

    #[test]
    fn a_foreign_name_for_this_machine_is_not_its_own() {
        let guessed = Address::new("http://127.0.0.1:8080", true);
        let rebound = "evil.example:8080";
        assert!(!guessed.is_own_origin("http://evil.example:8080", rebound));
        for host in [
            "127.0.0.1:8080",
            "localhost:8080",
            "[::1]:8080",
            "192.168.1.5:8080",
        ] {
            assert!(guessed.is_own_origin(&format!("http://{host}"), host), "{host}");
        }
        let public = Address::new("https://touch.example", false);
        assert!(public.is_own_origin("https://touch.example", "inner:9000"));
        assert!(!public.is_own_origin("https://other.example", "other.example"));
        assert!(public.is_own_origin("http://localhost:8080", "localhost:8080"));
    }

    #[test]
    fn links_are_of_the_address_that_people_use() {
        let with = |host: &'static str| -> HeaderMap {
            [(header::HOST, HeaderValue::from_static(host))]
                .into_iter()
                .collect()
        };
        let guessed = Address::new("http://127.0.0.1:8080", true);
        assert_eq!(guessed.base(&with("192.168.1.5:8080")), "http://192.168.1.5:8080");
        assert_eq!(guessed.base(&with("evil.example")), "http://127.0.0.1:8080");
        let public = Address::new("https://touch.example", false);
        assert_eq!(public.base(&with("192.168.1.5:8080")), "https://touch.example");
    }
}
