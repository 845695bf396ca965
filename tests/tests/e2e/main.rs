//! The end-to-end suites, one module for each story.

mod access;
mod bad_input;
mod browsers;
mod commands;
mod documents;
mod durability;
mod gateway_cancel;
mod gateway_list;
mod gateway_status;
mod gateway_submit;
mod no_auth;
mod outage;
mod rate_limit;
mod replicas;
mod research;
mod samples_list;
mod samples_status;
mod sdk_cli;
mod sdk_controls;
mod sdk_sessions;
mod sdk_tasks;
mod shutdown;
mod tasks_command;
mod tasks_watch;
mod worker_protocol;
