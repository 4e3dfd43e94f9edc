//! What someone had typed into a form of accounts that was refused, so that they need not type it again. Like the flash it
//! travels in a short-lived cookie; never the password.

use crate::{context, flash};

/// The cookie's name.
const COOKIE: &str = "typed";

/// The longest of each that is kept, in bytes.
const MAX: usize = 300;

/// Name and email address; empty if not typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    pub name: String,
    pub email: String,
}

impl Typed {
    /// The `Set-Cookie` header that carries this to the form, or that ends it if there is nothing; `secure` keeps it to TLS.
    pub fn to_cookie(&self, secure: bool) -> String {
        let is_empty = self.name.is_empty() && self.email.is_empty();
        let seconds = if is_empty { 0 } else { 300 };
        let kept = |text: &str| {
            if text.len() > MAX {
                String::new()
            } else {
                flash::hex(text)
            }
        };
        let secure = if secure { "; Secure" } else { "" };
        format!(
            "{COOKIE}={}.{}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
            kept(&self.name),
            kept(&self.email)
        )
    }

    fn from_cookie(value: &str) -> Option<Typed> {
        let (name, email) = value.split_once('.')?;
        Some(Typed {
            name: flash::unhex(name)?,
            email: flash::unhex(email)?,
        })
    }
}

/// What was typed before, if anything.
pub fn find() -> Typed {
    context::cookie(COOKIE)
        .and_then(|value| Typed::from_cookie(&value))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_survives_its_cookie() {
        let typed = Typed {
            name: "Ölga; \"x\"".into(),
            email: "olga@example.org".into(),
        };
        let header = typed.to_cookie(true);
        let value = header.split(';').next().unwrap().split_once('=').unwrap().1;
        assert_eq!(Typed::from_cookie(value), Some(typed));
        assert!(Typed::default().to_cookie(false).contains("Max-Age=0"));
        assert_eq!(Typed::from_cookie("zz"), None);
    }
}
