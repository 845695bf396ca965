//! What does the tasks.
//!
//! [`Answerer`] is who answers: a model behind an endpoint, or the offline
//! answerer over a library of documents. What is done with the answers is the
//! same for both: [`Agent`] is the executor of questions, in every mode, with
//! [`Toolbox`] what its agents can use.

pub mod agent;
pub mod answerer;
mod apart;
pub mod library;
mod marks;
pub mod model;
pub mod offline;
mod text;
pub mod tools;

pub use agent::Agent;
pub use answerer::Answerer;
pub use model::ModelAnswerer;
pub use tools::Toolbox;
