//! Corrections: the answer that should have been given. It is preferred over every response of its comparison.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Millis;

/// The longest correction, in bytes: 100,000 words fit in any script.
pub const MAX_CORRECTION_BYTES: usize = 2_000_000;

/// One row of the history; an edit supersedes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// Made by the client before it is sent, so that a retry is the same row.
    pub id: Uuid,
    pub comparison_id: Uuid,
    pub user_id: Uuid,
    /// The response that was edited; None if it was written from nothing.
    pub response_id: Option<Uuid>,
    pub content: String,
    /// The row that this one replaces.
    pub supersedes: Option<Uuid>,
    pub created_at: Millis,
}

/// A correction that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorrectionError {
    #[error("A correction must not be empty.")]
    Empty,
    #[error("A correction must not contain NUL characters.")]
    Nul,
    #[error("This correction is {0} bytes long; at most {MAX_CORRECTION_BYTES} can be kept.")]
    TooLong(usize),
    #[error("The response that was corrected is not one of this comparison.")]
    ForeignResponse,
    #[error(
        "The correction is word for word a response that is already there: judge it the better one instead."
    )]
    Unchanged,
}

impl Correction {
    /// Checks this row against the comparison's responses, by identifier and content.
    pub fn check<'a>(
        &self,
        responses: impl IntoIterator<Item = (Uuid, &'a str)>,
    ) -> Result<(), CorrectionError> {
        if self.content.trim().is_empty() {
            return Err(CorrectionError::Empty);
        }
        if self.content.contains('\0') {
            return Err(CorrectionError::Nul);
        }
        if self.content.len() > MAX_CORRECTION_BYTES {
            return Err(CorrectionError::TooLong(self.content.len()));
        }
        let mut found = self.response_id.is_none();
        for (id, content) in responses {
            found |= self.response_id == Some(id);
            if content == self.content {
                return Err(CorrectionError::Unchanged);
            }
        }
        if found {
            Ok(())
        } else {
            Err(CorrectionError::ForeignResponse)
        }
    }
}
