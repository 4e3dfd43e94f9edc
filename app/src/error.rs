//! The one error that crosses the wire, and the one map from its kinds to status codes.

use leptos::{
    prelude::{FromServerFnError, ServerFnErrorErr},
    server_fn::codec::JsonEncoding,
};
use serde::{Deserialize, Serialize};

/// Why the server did not do what was asked, as a person may read it. Kinds that carry text carry a full sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", content = "message", rename_all = "snake_case")]
pub enum AppError {
    #[error("Please sign in.")]
    SignedOut,
    #[error("Your role does not allow this. Ask an owner of this installation.")]
    Forbidden,
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    TooMany(String),
    /// Something that this needs is not there yet: a base model, a trained model.
    #[error("{0}")]
    Unavailable(String),
    /// The detail is in the server's log.
    #[error("Something went wrong on the server. It has been logged; please try again.")]
    Internal,
    /// In the browser alone: the request did not get through.
    #[error("The server could not be reached. Please check the connection.")]
    Unreachable,
}

impl AppError {
    /// The HTTP status of this kind.
    pub fn status(&self) -> u16 {
        match self {
            AppError::SignedOut => 401,
            AppError::Forbidden => 403,
            AppError::NotFound(_) => 404,
            AppError::Conflict(_) => 409,
            AppError::TooLarge(_) => 413,
            AppError::Invalid(_) => 422,
            AppError::TooMany(_) => 429,
            AppError::Internal => 500,
            AppError::Unreachable => 502,
            AppError::Unavailable(_) => 503,
        }
    }

    /// Whether sending the same again later may do.
    pub fn may_retry(&self) -> bool {
        matches!(
            self,
            AppError::TooMany(_) | AppError::Internal | AppError::Unreachable | AppError::Unavailable(_)
        )
    }

    /// An error for which only the log may have the detail.
    #[cfg(feature = "ssr")]
    pub fn internal(detail: impl std::fmt::Display) -> AppError {
        tracing::error!(%detail, "internal error");
        AppError::Internal
    }
}

impl FromServerFnError for AppError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> AppError {
        match error {
            ServerFnErrorErr::Request(_) => AppError::Unreachable,
            ServerFnErrorErr::Args(what) | ServerFnErrorErr::MissingArg(what) => {
                AppError::Invalid(format!("The request is incomplete: {what}."))
            }
            ServerFnErrorErr::Deserialization(what) if cfg!(feature = "ssr") => {
                AppError::Invalid(format!("The request cannot be read: {what}."))
            }
            other => {
                #[cfg(feature = "ssr")]
                tracing::error!(detail = %other, "server function");
                drop(other);
                AppError::Internal
            }
        }
    }

    /// Beside serialising, gives the response its status: server functions would answer 500 to every error.
    fn ser(&self) -> leptos::server_fn::Bytes {
        #[cfg(feature = "ssr")]
        crate::context::answer_status_unless_form(self.status());
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

#[cfg(feature = "ssr")]
impl From<store::StoreError> for AppError {
    fn from(error: store::StoreError) -> AppError {
        use store::StoreError;
        match error {
            StoreError::NotFound(what) => AppError::NotFound(format!("{what} was not found.")),
            StoreError::Conflict(why) => AppError::Conflict(why),
            StoreError::Invalid(why) => AppError::Invalid(why),
            // Only workers hold leases.
            StoreError::Corrupt { .. } | StoreError::Database(_) | StoreError::LeaseLost => {
                AppError::internal(error)
            }
        }
    }
}
