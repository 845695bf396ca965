//! The research face: tasks of projects (research specification).

mod request;
mod view;
