//! Parts that pages are made of.

mod forms;
mod page;
mod title;

pub use forms::{Field, PasswordField};
pub(crate) use page::error_page;
pub use page::{Page, Tab, load, page_with, path_id};
pub use title::PageTitle;
