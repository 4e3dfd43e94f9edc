//! Parts that pages are made of.

mod conversation;
mod forms;
mod page;
mod scrolling;
mod title;

pub use conversation::{Conversation, shown_turns};
pub use forms::{Field, PasswordField};
pub(crate) use page::error_page;
pub use page::{Page, Tab, load, page_with, path_id, path_uuid};
pub use scrolling::Scrolling;
pub use title::PageTitle;
