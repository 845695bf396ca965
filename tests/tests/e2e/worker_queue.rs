//! The queue of a running server, reached over its worker face and held to the
//! contract of queues.
//!
//! What is left out needs what the face does not carry: leases shorter than five
//! seconds, delays of the caller's choice, and numbers beyond a float.

use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};
use taskgate_domain::testkit::{Ports, StoreFactory};
use taskgate_infra::StoreOptions;
use taskgate_tests::{DEV_KEY, Server, Store};
use taskgate_worker::HttpQueue;

/// Starts a server over a fresh store for each test. All that is no worker's
/// goes to the store directly.
#[derive(Default)]
struct Servers(Mutex<Vec<(Server, Store)>>);

#[async_trait]
impl StoreFactory for Servers {
    async fn fresh(&self) -> Ports {
        let store = Store::sqlite();
        let server = Server::dev(&store);
        let url = store.url().parse().expect("the URL is valid");
        let direct = taskgate_infra::Store::connect(&StoreOptions { url, pool_size: 4 });
        let direct = direct.expect("the store is there");
        let queue =
            HttpQueue::new(server.worker().base(), Some(DEV_KEY)).expect("the URL is valid");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((server, store));
        Ports {
            tasks: direct.tasks,
            queue: Arc::new(queue),
            reviews: direct.reviews,
            events: direct.events,
            feed: direct.feed,
            sessions: direct.sessions,
            keys: direct.keys,
            maintenance: direct.maintenance,
        }
    }
}

fn contract_factory() -> impl StoreFactory {
    Servers::default()
}

mod contract {
    taskgate_domain::stamp_behaviours! {
        past:
            the_first_task_of_a_session_follows_on_nothing
            a_task_follows_on_the_answers_before_it
            an_answer_without_text_is_its_structured_form
            of_many_turns_the_latest_are_read
            long_turns_leave_the_earlier_ones_out
            a_task_learns_what_its_session_consumed
            a_paused_task_may_read_what_it_follows_on
            a_job_follows_on_nothing
            only_the_holder_of_a_task_reads_what_it_follows_on;
        proposal:
            a_task_without_a_plan_has_no_review
            a_proposed_plan_waits_for_its_review
            a_proposal_ends_the_claim
            a_repeated_proposal_changes_nothing
            a_proposal_on_an_unknown_task_is_not_found
            a_job_has_no_plan
            a_proposal_after_the_approval_is_invalid
            a_plan_that_nobody_asked_for_leaves_the_one_under_review
            a_proposal_of_a_paused_task_leaves_the_pause
            a_worker_reads_what_was_said;
        claim:
            the_oldest_of_the_highest_priority_comes_first
            an_urgent_task_overtakes_what_waits
            a_worker_gets_its_kinds_alone
            a_claim_takes_no_more_than_it_asks_for
            a_claim_takes_no_more_than_it_can_ship
            a_task_is_not_given_before_its_time
            a_claimed_task_carries_its_whole_payload
            a_claim_makes_the_task_running
            a_running_task_is_given_to_nobody_else
            concurrent_claims_share_the_tasks
            a_waiting_claim_gets_what_is_submitted_meanwhile
            a_waiting_claim_gets_what_comes_back
            a_claim_that_waits_in_vain_is_empty;
        heartbeat:
            a_heartbeat_renews_for_as_long_as_the_claim_did
            a_heartbeat_stores_the_progress_that_it_tells
            a_heartbeat_with_a_message_is_an_event
            a_heartbeat_that_changes_a_number_is_an_event
            a_heartbeat_that_tells_nothing_new_is_no_event
            a_heartbeat_on_a_task_never_claimed_is_refused
            a_heartbeat_on_an_unknown_task_is_not_found
            a_heartbeat_learns_of_a_cancel
            a_heartbeat_on_a_finished_task_is_refused;
        event:
            a_record_on_an_unknown_task_is_not_found
            concurrent_writers_leave_no_gap;
        story:
            a_submit_and_a_claim_are_told
            an_answer_without_text_or_price_is_told
            a_failure_is_told_with_its_error
            a_retry_is_told_with_its_reason
            a_failure_is_told_beside_the_workers_own_answer;
        finish:
            an_outcome_of_nothing_reads_back_as_nothing
            a_large_result_survives
            a_research_result_that_is_no_object_is_invalid
            a_completed_task_has_done_its_total
            a_failed_task_keeps_its_progress
            a_failure_for_good_ends_the_task
            another_end_after_the_end_is_refused
            a_report_on_a_task_never_claimed_is_refused
            a_report_on_an_unknown_task_is_not_found
            a_batch_is_answered_in_order_each_for_itself
            an_empty_batch_has_no_answers
            a_full_batch_is_taken;
        release:
            a_task_that_is_given_back_is_due_at_once
            a_waiting_claim_gets_what_is_given_back
            a_task_that_is_given_back_voids_its_output
            a_paused_task_that_is_given_back_stays_paused
            a_cancelled_task_cannot_be_given_back
            tasks_are_given_back_in_a_batch_with_other_ends;
        consumed:
            a_plan_counts_among_what_its_task_consumed;
        cancel:
            a_running_task_is_cancelled
            of_a_cancel_and_a_completion_one_wins;
        paused:
            a_heartbeat_on_a_paused_task_asks_to_hold
            a_paused_tasks_worker_may_tell_its_progress
            a_paused_task_may_fail
            a_paused_tasks_own_answer_is_its_final_output;
    }
}
