//! What people see: pages rendered on the server, islands that wake up in the browser, and the server functions
//! between them.
//!
//! With `ssr` this is a library of the server; with `hydrate` it holds only what the browser needs: islands, server
//! functions' client sides, errors. Pages are never in the browser's part.

// The types of pages nest as deep as their markup.
#![recursion_limit = "512"]

#[cfg(feature = "lead")]
pub mod charts;
pub mod error;
pub mod escape;
pub mod islands;
pub mod measures;
pub mod prose;
#[cfg(feature = "lead")]
pub mod run_log;
#[cfg(feature = "lead")]
pub mod scrolling;
pub mod server_fns;
pub mod text;
pub mod text_area;

#[cfg(feature = "ssr")]
pub mod components;
#[cfg(feature = "ssr")]
pub mod context;
#[cfg(feature = "ssr")]
pub mod flash;
#[cfg(feature = "ssr")]
pub mod judging;
#[cfg(feature = "ssr")]
pub mod own_list;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod rendering;
#[cfg(feature = "ssr")]
pub mod routes;
#[cfg(feature = "ssr")]
pub mod scoring;
#[cfg(feature = "ssr")]
#[cfg(feature = "ssr")]
pub mod shell;
#[cfg(feature = "ssr")]
pub mod typed;
#[cfg(feature = "ssr")]
pub mod viewer;
