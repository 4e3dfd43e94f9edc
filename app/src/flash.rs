//! A sentence for the next page a browser shows: what a posted form did, or why it did not.
//!
//! It travels in a short-lived cookie, never in the URL: no link can put words into Touchstone's mouth.

use axum::http::header::SET_COOKIE;

use crate::context;

/// The cookie's name.
pub const COOKIE: &str = "flash";

/// What to say, and how it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    pub good: bool,
    pub text: String,
    /// Something shown this once, to be copied: a link, a key.
    pub secret: Option<String>,
}

impl Flash {
    /// Something was done.
    pub fn done(text: impl Into<String>) -> Flash {
        Flash {
            good: true,
            text: text.into(),
            secret: None,
        }
    }

    /// Something was not done, and this is why.
    pub fn failed(text: impl ToString) -> Flash {
        Flash {
            good: false,
            text: text.to_string(),
            secret: None,
        }
    }

    /// Something was made that is shown once.
    pub fn secret(text: impl Into<String>, secret: String) -> Flash {
        Flash {
            secret: Some(secret),
            ..Flash::done(text)
        }
    }

    /// The `Set-Cookie` header that carries this to the next page; `secure` keeps it to TLS.
    pub fn to_cookie(&self, secure: bool) -> String {
        let mark = if self.good { '+' } else { '-' };
        let secret = self.secret.as_deref().map(|secret| format!(".{}", hex(secret)));
        let (text, secret) = (hex(&self.text), secret.unwrap_or_default());
        let secure = if secure { "; Secure" } else { "" };
        format!("{COOKIE}={mark}{text}{secret}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax{secure}")
    }

    fn from_cookie(value: &str) -> Option<Flash> {
        let good = match value.as_bytes().first()? {
            b'+' => true,
            b'-' => false,
            _ => return None,
        };
        let mut parts = value.get(1..)?.split('.').map(unhex);
        Some(Flash {
            good,
            text: parts.next()??,
            secret: parts.next().flatten(),
        })
    }
}

/// Shows a sentence on the page that follows this server function.
pub fn show_next(flash: Flash) {
    let secure = context::services().public_url.starts_with("https:");
    context::answer_header(SET_COOKIE, &flash.to_cookie(secure));
}

/// The sentence for this page, once.
pub fn take() -> Option<Flash> {
    let flash = Flash::from_cookie(&context::cookie(COOKIE)?);
    context::answer_header(
        SET_COOKIE,
        &format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
    );
    flash
}

/// Text that any cookie can hold.
pub(crate) fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(hex: &str) -> Option<String> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flash_survives_its_cookie() {
        let all = [
            Flash::done("Grüße; „a=b“"),
            Flash::failed("no"),
            Flash::secret("Copy it.", "https://x.example/join/1".into()),
        ];
        for flash in all {
            let header = flash.to_cookie(true);
            let value = header.split(';').next().unwrap().split_once('=').unwrap().1;
            assert_eq!(Flash::from_cookie(value), Some(flash));
        }
        assert_eq!(Flash::from_cookie("+zz"), None);
        assert_eq!(Flash::from_cookie(""), None);
    }
}
