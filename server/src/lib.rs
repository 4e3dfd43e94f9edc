//! The Touchstone server: pages, API, worker and commands over the other crates.

// The types of pages nest as deep as their markup.
#![recursion_limit = "512"]

pub mod address;
pub mod auth;
pub mod base_model;
mod chosen_base;
pub mod commands;
pub mod config;
pub mod data_folder;
mod folder_lock;
pub mod housekeeping;
pub mod hub;
pub mod limits;
pub mod markdown;
pub mod model;
pub mod network;
pub mod private_files;
pub mod reading;
pub mod rendering;
pub mod router;
pub mod routes;
pub mod scoring;
pub mod security;
pub mod security_log;
pub mod site;
pub mod standalone;
pub mod state;
pub mod telemetry;
pub mod words;
pub mod worker;
