//! What those who own a task do with it while it lives: cancel, pause, resume.

use crate::{
    id::{TaskNumber, UserId},
    task::{
        status::{LiveStatus, TaskStatus, Transition},
        submit::IdempotencyKey,
    },
};

/// What to do with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Control {
    /// End it.
    Cancel,
    /// Keep it from running.
    Pause,
    /// Let it go on after a pause.
    Resume,
}

impl Control {
    /// Every control.
    pub const ALL: [Self; 3] = [Self::Cancel, Self::Pause, Self::Resume];

    /// The move that this makes of a task that is at `from`, and `held` by a
    /// worker or not; `None` where it has nothing to do.
    pub const fn transition(self, from: LiveStatus, held: bool) -> Option<Transition> {
        match (self, from) {
            (Self::Cancel, _) => Some(Transition::Cancel),
            (Self::Pause, LiveStatus::Queued | LiveStatus::Running) => Some(Transition::Pause),
            (Self::Resume, LiveStatus::Paused) if held => Some(Transition::Resume),
            (Self::Resume, LiveStatus::Paused) => Some(Transition::Requeue),
            (Self::Pause, LiveStatus::Paused)
            | (Self::Resume, LiveStatus::Queued | LiveStatus::Running) => None,
        }
    }
}

/// Somebody's wish for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlRequest {
    /// The task.
    pub number: TaskNumber,
    /// What to do with it.
    pub control: Control,
    /// Who wishes it.
    pub by: UserId,
    /// Why, in the words of whoever wishes it; the message of the event. It is
    /// free of NUL.
    pub reason: Option<String>,
    /// Makes a repeated request get the first one's answer.
    pub idempotency: Option<IdempotencyKey>,
}

/// What came of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Controlled {
    /// Whether this request, or the one it repeats, moved the task.
    pub accepted: bool,
    /// Where the task is now.
    pub status: TaskStatus,
    /// Whether this is the answer to an earlier request with the same
    /// idempotency key.
    pub replayed: bool,
}

#[cfg(test)]
mod tests {
    use super::Control;
    use crate::task::status::LiveStatus;

    #[test]
    fn every_move_starts_where_the_lifecycle_lets_it() {
        for control in Control::ALL {
            for from in [LiveStatus::Queued, LiveStatus::Running, LiveStatus::Paused] {
                for held in [false, true] {
                    if let Some(transition) = control.transition(from, held) {
                        assert!(transition.sources().contains(&from), "{transition:?} of {from:?}");
                    }
                }
            }
        }
    }
}
