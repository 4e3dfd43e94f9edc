//! Parts that pages are made of.

mod conversation;
mod forms;
mod page;
mod title;

pub use conversation::{Conversation, shown_turns};
pub use forms::{Field, PasswordField};
pub(crate) use page::error_page;
pub use page::{Page, Tab, load, page_with, path_id, path_uuid};
pub use title::PageTitle;

pub use crate::scrolling::Scrolling;
