//! The worker face: how worker processes take tasks and report on them.

mod claim;
mod field;
mod finish;
mod lease;
mod outcome;
