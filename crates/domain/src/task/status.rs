//! The lifecycle of a task: its states and the only moves between them.

use std::fmt;

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskStatus {
    /// Waits for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Kept from running until somebody resumes it; a worker may still hold its
    /// lease.
    Paused,
    /// Ended with a result.
    Completed,
    /// Ended with an error.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
    /// Ended because its deadline passed.
    TimedOut,
}

impl TaskStatus {
    /// Every status, in the order of the enum.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::TimedOut,
    ];

    /// Whether nothing can happen to the task any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut)
    }

    /// Whether some [`Transition`] leads from here to `next` directly.
    pub fn can_become(self, next: Self) -> bool {
        Transition::ALL.iter().any(|move_| {
            move_.target() == next && move_.sources().iter().any(|&from| Self::from(from) == self)
        })
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed out",
        })
    }
}

/// The statuses of a task that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiveStatus {
    /// See [`TaskStatus::Queued`].
    Queued,
    /// See [`TaskStatus::Running`].
    Running,
    /// See [`TaskStatus::Paused`].
    Paused,
}

/// The statuses of a task that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FinalStatus {
    /// See [`TaskStatus::Completed`].
    Completed,
    /// See [`TaskStatus::Failed`].
    Failed,
    /// See [`TaskStatus::Cancelled`].
    Cancelled,
    /// See [`TaskStatus::TimedOut`].
    TimedOut,
}

impl From<LiveStatus> for TaskStatus {
    fn from(status: LiveStatus) -> Self {
        match status {
            LiveStatus::Queued => Self::Queued,
            LiveStatus::Running => Self::Running,
            LiveStatus::Paused => Self::Paused,
        }
    }
}

impl From<FinalStatus> for TaskStatus {
    fn from(status: FinalStatus) -> Self {
        match status {
            FinalStatus::Completed => Self::Completed,
            FinalStatus::Failed => Self::Failed,
            FinalStatus::Cancelled => Self::Cancelled,
            FinalStatus::TimedOut => Self::TimedOut,
        }
    }
}

/// A legal move of a task. Every adapter takes the states that it may change
/// from [`sources`](Self::sources), so this table is the lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transition {
    /// A worker takes the task under a lease.
    Claim,
    /// The task returns to the queue: its worker asked for a retry, gave it
    /// back, or lost its lease with attempts left.
    Release,
    /// As [`Release`](Self::Release) of a paused task, which stays paused; no
    /// worker holds it any more.
    Park,
    /// Somebody pauses the task. A worker that holds it keeps its lease.
    Pause,
    /// The worker proposes a plan and lets go of the task until it is reviewed.
    Propose,
    /// Somebody lets a paused task go on that a worker still holds.
    Resume,
    /// Somebody lets a paused task go on that no worker holds: it returns to
    /// its place in the queue.
    Requeue,
    /// The worker reports a result.
    Complete,
    /// The worker reports an error for good, or the attempts are used up.
    Fail,
    /// Somebody cancels the task.
    Cancel,
    /// The deadline passes.
    TimeOut,
}

impl Transition {
    /// Every move.
    pub const ALL: [Self; 11] = [
        Self::Claim,
        Self::Release,
        Self::Park,
        Self::Pause,
        Self::Propose,
        Self::Resume,
        Self::Requeue,
        Self::Complete,
        Self::Fail,
        Self::Cancel,
        Self::TimeOut,
    ];

    /// The statuses that the move may start from.
    pub const fn sources(self) -> &'static [LiveStatus] {
        use LiveStatus::{Paused, Queued, Running};
        match self {
            Self::Claim => &[Queued],
            Self::Release => &[Running],
            Self::Pause => &[Queued, Running],
            Self::Park | Self::Resume | Self::Requeue => &[Paused],
            // A worker may finish what was paused under its hands before it
            // reached a point where it could stop.
            Self::Complete | Self::Fail | Self::Propose => &[Running, Paused],
            Self::Cancel | Self::TimeOut => &[Queued, Running, Paused],
        }
    }

    /// The status that the move ends in.
    pub const fn target(self) -> TaskStatus {
        match self {
            Self::Claim | Self::Resume => TaskStatus::Running,
            Self::Release | Self::Requeue => TaskStatus::Queued,
            Self::Park | Self::Pause | Self::Propose => TaskStatus::Paused,
            Self::Complete => TaskStatus::Completed,
            Self::Fail => TaskStatus::Failed,
            Self::Cancel => TaskStatus::Cancelled,
            Self::TimeOut => TaskStatus::TimedOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LiveStatus, TaskStatus, Transition};

    #[test]
    fn nothing_leaves_a_final_status() {
        for from in TaskStatus::ALL.into_iter().filter(|status| status.is_final()) {
            assert!(TaskStatus::ALL.into_iter().all(|next| !from.can_become(next)), "{from}");
        }
    }

    #[test]
    fn only_a_claim_starts_a_task() {
        assert!(TaskStatus::Queued.can_become(TaskStatus::Running));
        assert!(!TaskStatus::Queued.can_become(TaskStatus::Completed));
        assert!(!TaskStatus::Queued.can_become(TaskStatus::Failed));
        assert_eq!(Transition::Claim.target(), TaskStatus::Running);
    }

    #[test]
    fn what_is_paused_is_resumed_before_it_is_claimed() {
        assert!(Transition::Claim.sources().iter().all(|from| *from != LiveStatus::Paused));
        assert!(TaskStatus::Paused.can_become(TaskStatus::Queued));
        assert!(TaskStatus::Paused.can_become(TaskStatus::Running));
    }
}
