//! `taskgate keys`

use crate::{
    cli::{KeyFlags, KeysCommand, StoreFlags},
    config::Config,
    expiry,
    failure::Failure,
    terminal,
};
use chrono::Utc;
use std::{collections::BTreeSet, fmt::Display, process::ExitCode, sync::Arc};
use taskgate_domain::{
    id::{KeyId, ProjectId},
    key::{ApiKey, KeyGrant, KeyOwner},
    ports::SystemClock,
    usecase::keys::Keys,
};
use taskgate_infra::{Store, StoreOptions, migrations};

/// Makes, lists or ends keys.
pub(crate) fn run(command: KeysCommand) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused("cannot start", &error))?;
    match command {
        KeysCommand::Create { key, store } => {
            let grant = grant(key)?;
            runtime.block_on(create(&open(&store)?, grant))
        }
        KeysCommand::List { store } => runtime.block_on(list(&open(&store)?)),
        KeysCommand::Revoke { id, store } => runtime.block_on(revoke(&open(&store)?, KeyId(id))),
    }
}

fn open(flags: &StoreFlags) -> Result<Keys, Failure> {
    let url = Config::load(flags)?.settings.database_url;
    let pending = migrations::pending(&url)
        .map_err(|error| Failure::caused("cannot read the store", &error))?;
    if !pending.is_empty() {
        return Err(Failure::new(format!("{url} is not up to date; run `taskgate migrate` first")));
    }
    let store = Store::connect(&StoreOptions { url, pool_size: 1 })
        .map_err(|error| Failure::caused("cannot open the store", &error))?;
    Ok(Keys::new(store.keys, Arc::new(SystemClock)))
}

/// What the flags ask for.
fn grant(flags: KeyFlags) -> Result<KeyGrant, Failure> {
    let expires_at = flags
        .expires
        .map(|text| expiry::parse(&text, Utc::now()))
        .transpose()
        .map_err(|rule| Failure::new(format!("--expires {rule}")))?;
    let projects: Result<BTreeSet<_>, _> = flags.project.into_iter().map(ProjectId::new).collect();
    let projects = projects.map_err(|_| Failure::new("--project must be a positive integer"))?;
    let scopes = flags.scope.into_iter().collect();
    let owner = KeyOwner::Named { tenant: flags.tenant, user: flags.user };
    KeyGrant::new(flags.name, owner, scopes, projects, expires_at)
        .map_err(|error| Failure::new(format!("--{error}")))
}

async fn create(keys: &Keys, grant: KeyGrant) -> Result<ExitCode, Failure> {
    let (secret, key) =
        keys.create(grant).await.map_err(|error| Failure::caused("cannot make the key", &error))?;
    terminal::print(&format!("{}\n", secret.reveal()))?;
    terminal::note(&format!(
        "made key {} ({}) of user {} in tenant {}; it is shown this once",
        key.principal.key, key.name, key.user, key.tenant
    ));
    Ok(ExitCode::SUCCESS)
}

async fn list(keys: &Keys) -> Result<ExitCode, Failure> {
    let keys =
        keys.list().await.map_err(|error| Failure::caused("cannot list the keys", &error))?;
    terminal::print(&terminal::table(&rows(&keys)))?;
    Ok(ExitCode::SUCCESS)
}

fn rows(keys: &[ApiKey]) -> Vec<[String; 9]> {
    let headings =
        ["ID", "NAME", "TENANT", "USER", "SCOPES", "PROJECTS", "KEY", "CREATED", "STATE"];
    let row = |key: &ApiKey| {
        let projects = key.principal.projects.as_ref();
        let now = Utc::now();
        let state = match (key.revoked_at, key.expires_at) {
            (Some(at), _) => format!("revoked {}", expiry::show(at)),
            (None, Some(at)) if at <= now => format!("expired {}", expiry::show(at)),
            (None, Some(at)) => format!("valid until {}", expiry::show(at)),
            (None, None) => "valid".to_owned(),
        };
        [
            key.principal.key.to_string(),
            key.name.clone(),
            key.tenant.clone(),
            key.user.clone(),
            join(&key.principal.scopes),
            projects.map_or_else(|| "all".to_owned(), |ids| join(ids.iter().map(|id| id.get()))),
            format!("{}…", key.hint),
            expiry::show(key.created_at),
            state,
        ]
    };
    std::iter::once(headings.map(str::to_owned)).chain(keys.iter().map(row)).collect()
}

fn join(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

async fn revoke(keys: &Keys, id: KeyId) -> Result<ExitCode, Failure> {
    let revoked =
        keys.revoke(id).await.map_err(|error| Failure::caused("cannot revoke the key", &error))?;
    if !revoked {
        return Err(Failure::new(format!("there is no key {id} that still works")));
    }
    terminal::note(&format!("revoked key {id}; servers refuse it within a few seconds"));
    Ok(ExitCode::SUCCESS)
}
