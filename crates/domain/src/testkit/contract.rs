//! One function for each behaviour, by the port that owes it.
//!
//! Every function takes a fresh store and panics when the store misbehaves.

#![expect(missing_docs, reason = "the name of a behaviour is its documentation")]

pub mod cancel;
pub mod claim;
pub mod consumed;
pub mod conversation;
pub mod event;
pub mod feed;
pub mod finish;
pub mod follow;
pub mod heartbeat;
pub mod history;
pub mod key;
pub mod key_change;
pub mod list;
pub mod maintenance;
pub mod past;
pub mod pause;
pub mod paused;
pub mod proposal;
pub mod reap;
pub mod release;
pub mod resume;
pub mod review;
pub mod review_race;
pub mod session;
pub mod session_change;
pub mod story;
pub mod submit;
pub mod turn;

/// Stamps one test for each behaviour, and the comparison with the model, into
/// a module `contract` of an adapter's test file. The argument is an
/// expression that makes a [`StoreFactory`](crate::testkit::StoreFactory).
#[macro_export]
macro_rules! contract_suite {
    ($factory:expr) => {
        fn contract_factory() -> impl $crate::testkit::StoreFactory {
            $factory
        }

        mod contract {
            $crate::stamp_behaviours! {
                submit:
                    an_agent_task_reads_back_whole
                    a_research_task_reads_back_whole
                    a_large_context_survives
                    an_empty_query_with_an_attachment_survives
                    times_have_microseconds_and_read_back_equal
                    ids_and_numbers_grow_with_creation
                    an_unknown_task_is_not_found
                    options_reach_the_stored_task
                    a_deadline_counts_from_submission_when_the_start_has_passed
                    a_repeated_submit_finds_the_first_task
                    a_repeated_submit_finds_a_task_that_has_ended
                    submits_under_different_keys_are_independent
                    of_concurrent_repeated_submits_one_stores
                    a_unique_key_is_carried_by_one_live_task
                    a_unique_key_is_free_once_its_task_has_ended
                    a_unique_key_is_free_after_the_deadline
                    a_unique_key_belongs_to_one_project_of_one_tenant
                    of_concurrent_submits_with_a_unique_key_one_stores
                    concurrent_submits_of_new_tenants_projects_and_sessions_all_store;
                session:
                    a_label_names_one_session
                    a_session_is_found_by_either_id
                    a_label_that_is_a_uuid_becomes_the_session_id
                    a_session_id_in_another_case_is_the_same_session
                    a_session_is_found_for_its_user_alone
                    equal_labels_of_two_users_are_two_sessions
                    an_unknown_session_is_not_found
                    concurrent_first_tasks_share_one_session;
                conversation:
                    a_session_begins_as_its_first_task_says
                    an_id_that_others_are_counted_under_makes_no_session
                    a_session_reads_the_same_by_either_id
                    a_session_named_by_its_id_has_no_other_name
                    a_session_whose_name_is_anothers_id_keeps_the_name
                    later_tasks_leave_what_the_first_has_set
                    a_question_that_cannot_be_seen_makes_no_title
                    a_session_adds_up_every_kind_of_end
                    what_has_not_ended_counts_as_a_task_alone
                    sums_are_apart_by_session
                    sums_stay_exact_while_writers_and_tidying_run
                    the_latest_task_is_shown_as_it_is
                    a_long_query_is_shown_in_part
                    an_ended_latest_task_is_shown
                    sessions_are_listed_with_the_newest_first
                    an_offset_past_the_last_session_shows_nothing_but_their_number
                    sessions_are_shown_to_their_user_alone
                    research_belongs_to_no_session;
                session_change:
                    a_session_is_renamed_by_either_id
                    a_new_title_outlives_later_tasks
                    another_users_session_is_neither_renamed_nor_deleted
                    an_unknown_session_is_neither_renamed_nor_deleted
                    a_deleted_session_is_not_found
                    a_session_is_deleted_again_without_change
                    the_tasks_of_a_deleted_session_stay
                    a_deleted_sessions_label_makes_a_new_session
                    concurrent_tasks_after_a_delete_share_one_session
                    a_repeated_submit_finds_its_task_though_the_session_is_deleted;
                turn:
                    turns_tell_what_was_asked_and_how_it_went
                    turns_come_with_the_oldest_first
                    turns_are_read_behind_a_task_and_in_parts
                    turns_of_two_sessions_are_apart
                    an_unknown_session_has_no_turns;
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
                list:
                    an_empty_store_has_empty_lists
                    a_list_shows_the_newest_first
                    pages_cut_a_list_without_overlap
                    an_offset_past_the_end_shows_nothing_but_the_total
                    a_list_shows_what_was_asked
                    lists_are_apart_by_user_session_tenant_and_project
                    pages_run_over_several_projects_together
                    every_combination_of_statuses_filters_exactly
                    pages_cut_a_filtered_list
                    totals_follow_a_pause
                    totals_follow_every_transition;
                claim:
                    the_oldest_of_the_highest_priority_comes_first
                    a_task_that_comes_back_keeps_its_place
                    an_urgent_task_overtakes_what_waits
                    a_worker_gets_its_kinds_alone
                    a_claim_takes_no_more_than_it_asks_for
                    a_claim_takes_no_more_than_it_can_ship
                    a_task_is_not_given_before_its_time
                    a_task_whose_time_comes_is_given
                    a_claimed_task_carries_its_whole_payload
                    a_claim_makes_the_task_running
                    attempts_grow_and_the_first_start_stays
                    a_running_task_is_given_to_nobody_else
                    concurrent_claims_share_the_tasks
                    a_waiting_claim_gets_what_is_submitted_meanwhile
                    a_waiting_claim_gets_what_comes_back
                    a_claim_that_waits_in_vain_is_empty;
                heartbeat:
                    a_heartbeat_renews_the_lease
                    a_heartbeat_renews_for_as_long_as_the_claim_did
                    a_heartbeat_saves_a_lapsed_lease_that_nobody_took
                    a_heartbeat_stores_the_progress_that_it_tells
                    a_heartbeat_with_a_message_is_an_event
                    a_heartbeat_that_changes_a_number_is_an_event
                    a_heartbeat_that_tells_nothing_new_is_no_event
                    a_stale_heartbeat_is_refused_and_stores_nothing
                    a_heartbeat_on_a_task_never_claimed_is_refused
                    a_heartbeat_on_an_unknown_task_is_not_found
                    a_heartbeat_learns_of_a_cancel
                    a_stale_heartbeat_on_a_cancelled_task_is_refused
                    a_heartbeat_on_a_finished_task_is_refused;
                event:
                    a_log_begins_with_the_submit
                    every_move_is_told
                    a_deadline_is_told
                    recorded_events_read_back_whole
                    a_stale_record_is_refused_and_stores_nothing
                    a_record_on_an_unknown_task_is_not_found
                    a_log_is_read_from_a_place_and_up_to_a_limit
                    logs_of_two_tasks_are_apart
                    a_read_of_large_events_is_short
                    an_unknown_task_has_no_log
                    concurrent_writers_leave_no_gap
                    times_of_concurrent_writers_never_decrease;
                story:
                    a_submit_and_a_claim_are_told
                    an_answer_is_told_with_its_price
                    an_answer_without_text_or_price_is_told
                    a_job_has_no_answer_to_tell
                    a_failure_is_told_with_its_error
                    a_failure_after_the_last_attempt_is_told
                    a_last_lost_lease_is_told
                    a_passed_deadline_is_told
                    a_retry_is_told_with_its_reason
                    a_lost_lease_is_told_with_a_reason
                    a_cancel_tells_where_the_task_stood
                    a_workers_own_answer_is_not_told_again
                    an_answer_of_an_earlier_claim_does_not_count
                    other_output_is_not_the_answer
                    a_failure_is_told_beside_the_workers_own_answer;
                history:
                    a_history_has_all_but_pieces_of_output
                    a_history_of_what_has_ended_stays
                    histories_follow_the_numbers_of_their_tasks
                    a_history_is_cut_without_overlap
                    a_history_of_no_task_is_empty;
                feed:
                    a_claim_is_news
                    recorded_events_are_news
                    a_heartbeat_that_tells_something_is_news
                    a_pause_and_a_resume_are_news
                    a_return_to_the_queue_is_news
                    every_end_is_news
                    the_end_is_news_wherever_the_reader_is
                    the_last_lost_lease_is_the_end
                    news_are_told_as_long_as_there_is_more_to_read
                    a_listener_hears_of_its_own_task_alone
                    what_changes_nothing_is_no_news
                    a_waiting_listener_is_woken_by_an_event
                    a_waiting_listener_is_woken_by_the_end
                    listeners_hear_the_same
                    a_listener_that_leaves_disturbs_nobody
                    to_stop_waiting_loses_no_news
                    of_concurrent_writers_the_last_event_is_known
                    a_task_that_is_not_there_has_no_news;
                follow:
                    followers_read_a_growing_log_to_its_end
                    a_follower_of_a_queued_task_sees_it_cancelled
                    a_follower_of_a_finished_task_reads_the_rest;
                finish:
                    an_outcome_reads_back_whole
                    an_outcome_of_nothing_reads_back_as_nothing
                    a_large_result_survives
                    a_research_result_keeps_its_text
                    a_research_result_that_is_no_object_is_invalid
                    a_completed_task_has_done_its_total
                    a_failed_task_keeps_its_progress
                    a_repeated_completion_changes_nothing
                    a_failure_for_good_ends_the_task
                    a_failure_keeps_what_it_took_to_get_there
                    a_failure_may_ask_for_another_attempt
                    a_repeated_failure_may_come_with_another_delay
                    another_attempt_waits_for_its_delay
                    used_up_attempts_fail_the_task
                    another_end_after_the_end_is_refused
                    a_report_of_another_attempt_is_refused
                    a_report_on_a_task_never_claimed_is_refused
                    a_report_on_an_unknown_task_is_not_found
                    a_late_report_counts_until_the_lease_is_taken_back
                    a_lost_lease_is_refused
                    a_worker_that_used_up_the_attempts_by_silence_is_refused
                    a_batch_is_answered_in_order_each_for_itself
                    reports_of_one_task_in_a_batch_are_taken_in_order
                    an_empty_batch_has_no_answers
                    a_full_batch_is_taken;
                release:
                    a_task_that_is_given_back_is_due_at_once
                    a_waiting_claim_gets_what_is_given_back
                    a_task_that_is_given_back_has_lost_no_attempt
                    a_lost_lease_after_a_task_was_given_back_counts
                    a_task_that_is_given_back_voids_its_output
                    a_paused_task_that_is_given_back_stays_paused
                    a_cancelled_task_cannot_be_given_back
                    only_the_holder_gives_a_task_back
                    tasks_are_given_back_in_a_batch_with_other_ends;
                consumed:
                    a_task_has_consumed_what_all_its_attempts_report
                    a_plan_counts_among_what_its_task_consumed
                    whatever_ends_a_task_keeps_what_it_consumed
                    a_session_adds_up_all_attempts
                    a_report_that_is_refused_counts_nothing
                    no_sum_goes_past_the_largest_amount;
                cancel:
                    a_queued_task_is_cancelled
                    a_task_that_waits_for_its_time_is_cancelled
                    a_running_task_is_cancelled
                    a_cancel_is_recorded_with_its_reason
                    a_cancel_keeps_who_when_and_why
                    only_a_cancelled_task_says_who_cancelled_it
                    what_has_ended_is_not_cancelled
                    an_unknown_task_is_not_cancelled
                    a_repeated_cancel_gets_the_first_answer
                    of_concurrent_cancels_one_is_accepted
                    concurrent_repeated_cancels_get_one_answer
                    of_a_cancel_and_a_claim_the_cancel_stands
                    a_cancel_is_never_overwritten
                    of_a_cancel_and_a_completion_one_wins;
                pause:
                    a_queued_task_is_paused
                    a_task_that_waits_for_its_time_is_paused
                    a_running_task_is_paused
                    a_paused_task_is_given_to_nobody
                    a_pause_keeps_who_when_and_why
                    a_pause_tells_where_the_task_stood
                    a_paused_task_is_not_paused_again
                    what_has_ended_is_neither_paused_nor_resumed
                    an_unknown_task_is_neither_paused_nor_resumed
                    a_paused_task_still_carries_its_unique_key
                    a_repeated_pause_gets_the_first_answer
                    a_repeated_pause_does_not_undo_a_resume
                    a_refused_pause_is_not_remembered
                    of_concurrent_pauses_one_is_accepted
                    concurrent_repeated_pauses_get_one_answer
                    of_a_pause_and_a_claim_the_pause_stands
                    of_a_pause_and_a_completion_the_completion_stands;
                resume:
                    a_task_paused_in_the_queue_returns_to_it
                    a_task_paused_in_a_workers_hands_runs_on
                    a_lapsed_lease_that_nobody_took_is_resumed
                    a_resumed_task_keeps_its_place
                    a_resumed_task_still_waits_for_its_time
                    what_is_not_paused_is_not_resumed
                    a_resume_is_told_with_its_reason
                    a_resume_forgets_who_paused
                    a_task_may_be_paused_in_every_attempt
                    a_waiting_claim_gets_what_is_resumed
                    a_repeated_resume_gets_the_first_answer
                    a_refused_resume_is_not_remembered
                    of_concurrent_resumes_one_is_accepted
                    of_concurrent_pauses_and_resumes_each_move_is_told_once;
                paused:
                    a_heartbeat_on_a_paused_task_asks_to_hold
                    a_paused_task_keeps_its_lease_by_heartbeats
                    a_paused_tasks_worker_may_tell_its_progress
                    a_paused_task_may_complete
                    a_paused_task_may_fail
                    a_worker_may_let_go_of_a_paused_task
                    a_paused_task_waits_for_its_delay_when_resumed
                    a_worker_that_lets_go_of_a_paused_task_for_the_last_time_fails_it
                    a_lease_that_ends_in_a_pause_leaves_the_task_paused
                    the_last_lease_that_ends_in_a_pause_fails_the_task
                    a_late_report_on_a_paused_task_counts_until_the_lease_is_taken_back
                    a_task_paused_in_the_queue_has_no_worker
                    of_a_pause_and_the_reaper_the_pause_stands
                    a_deadline_ends_paused_tasks
                    a_paused_task_is_cancelled
                    a_paused_tasks_own_answer_is_its_final_output;
                proposal:
                    a_task_without_a_plan_has_no_review
                    a_proposed_plan_waits_for_its_review
                    a_proposal_ends_the_claim
                    a_repeated_proposal_changes_nothing
                    a_proposal_costs_no_attempt
                    a_lost_lease_after_a_proposal_is_tried_again
                    a_proposal_without_the_lease_is_refused
                    a_proposal_on_an_unknown_task_is_not_found
                    a_job_has_no_plan
                    a_proposal_after_the_approval_is_invalid
                    a_plan_that_nobody_asked_for_leaves_the_one_under_review
                    a_proposal_of_a_paused_task_leaves_the_pause
                    a_task_under_review_is_cancelled
                    a_task_under_review_times_out
                    a_worker_reads_what_was_said;
                review:
                    a_remark_sends_the_task_to_be_planned_again
                    another_plan_answers_a_remark
                    an_approved_plan_is_carried_out
                    a_repeated_approval_changes_nothing
                    a_word_is_about_the_plan_that_was_seen
                    a_remark_waits_for_its_plan_alone
                    a_remark_after_the_approval_is_refused
                    the_last_plan_can_only_be_approved
                    what_has_ended_is_not_reviewed
                    a_word_on_no_plan_is_not_found
                    a_plan_is_approved_while_the_task_waits_in_the_queue
                    a_remark_is_made_while_the_task_waits_in_the_queue
                    nothing_is_said_while_a_worker_has_the_task
                    an_approval_ends_whatever_pause_there_is
                    an_approved_task_returns_to_its_place
                    a_waiting_claim_gets_what_is_approved
                    reviews_of_two_tasks_are_apart
                    totals_follow_a_review
                    a_plan_and_a_word_on_it_are_news;
                review_race:
                    of_concurrent_approvals_one_is_told
                    of_concurrent_remarks_one_is_taken
                    of_a_remark_and_an_approval_one_is_taken
                    of_a_word_and_a_cancel_the_cancel_stands
                    of_an_approval_and_a_resume_both_are_taken
                    of_a_word_and_a_claim_the_worker_reads_what_is_taken
                    of_a_proposal_and_a_cancel_the_cancel_stands
                    of_a_proposal_and_a_pause_the_task_is_paused_once
                    of_a_proposal_and_the_reaper_one_takes_the_task
                    concurrent_repetitions_of_a_proposal_are_taken_once;
                reap:
                    nothing_is_over_in_a_quiet_store
                    an_expired_lease_returns_the_task_at_once
                    used_up_leases_fail_the_task
                    lost_leases_and_failures_count_as_one_kind_of_attempt
                    a_deadline_ends_queued_and_running_tasks
                    a_deadline_ahead_ends_nothing
                    the_reaper_takes_no_more_than_it_may
                    concurrent_reapers_take_each_lease_once
                    of_the_reaper_and_a_report_one_wins;
                key:
                    a_key_reads_back_whole
                    an_unknown_key_is_not_found
                    a_key_is_found_though_it_was_looked_for_before
                    keys_are_listed_with_the_oldest_first
                    a_key_is_revoked_once
                    equal_names_are_one_tenant_and_one_user
                    equal_user_names_of_two_tenants_are_two_users
                    names_differ_by_case
                    a_grant_without_names_is_the_default_users
                    a_grant_with_one_name_has_the_other_by_default
                    concurrent_grants_to_one_name_share_it;
                key_change:
                    a_user_that_exists_gets_another_key
                    a_description_reads_back
                    keys_are_listed_by_their_user
                    a_key_takes_the_place_of_another
                    what_does_not_work_is_not_replaced
                    a_refused_replacement_leaves_no_trace
                    of_concurrent_replacements_one_takes_the_place;
                maintenance:
                    a_store_that_is_up_answers
                    tidying_changes_nothing_that_is_seen
                    tidying_keeps_the_output_of_live_and_just_ended_tasks
                    totals_stay_exact_while_writers_and_tidying_run
                    a_kind_is_unserved_while_no_worker_has_any_of_its_tasks
                    a_task_that_is_not_due_needs_no_worker
                    a_task_whose_time_has_come_needs_a_worker;
            }

            #[test]
            fn a_store_agrees_with_the_model() {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
                let runtime = runtime.expect("the runtime starts");
                $crate::testkit::model::check(&super::contract_factory(), |case| {
                    runtime.block_on(case)
                });
            }
        }
    };
}

/// Stamps the tests of one file of behaviours.
#[doc(hidden)]
#[macro_export]
macro_rules! stamp_behaviours {
    ($($file:ident: $($behaviour:ident)*;)*) => {$($(
        #[tokio::test(flavor = "multi_thread")]
        async fn $behaviour() {
            use $crate::testkit::StoreFactory as _;
            let factory = super::contract_factory();
            let ports = factory.fresh().await;
            $crate::testkit::contract::$file::$behaviour(&ports).await;
        }
    )*)*};
}

#[cfg(test)]
mod tests {
    /// Each file of behaviours.
    const FILES: [(&str, &str); 28] = [
        ("submit", include_str!("contract/submit.rs")),
        ("session", include_str!("contract/session.rs")),
        ("conversation", include_str!("contract/conversation.rs")),
        ("session_change", include_str!("contract/session_change.rs")),
        ("turn", include_str!("contract/turn.rs")),
        ("list", include_str!("contract/list.rs")),
        ("claim", include_str!("contract/claim.rs")),
        ("heartbeat", include_str!("contract/heartbeat.rs")),
        ("event", include_str!("contract/event.rs")),
        ("story", include_str!("contract/story.rs")),
        ("history", include_str!("contract/history.rs")),
        ("feed", include_str!("contract/feed.rs")),
        ("follow", include_str!("contract/follow.rs")),
        ("finish", include_str!("contract/finish.rs")),
        ("release", include_str!("contract/release.rs")),
        ("consumed", include_str!("contract/consumed.rs")),
        ("cancel", include_str!("contract/cancel.rs")),
        ("past", include_str!("contract/past.rs")),
        ("pause", include_str!("contract/pause.rs")),
        ("resume", include_str!("contract/resume.rs")),
        ("paused", include_str!("contract/paused.rs")),
        ("proposal", include_str!("contract/proposal.rs")),
        ("review", include_str!("contract/review.rs")),
        ("review_race", include_str!("contract/review_race.rs")),
        ("reap", include_str!("contract/reap.rs")),
        ("key", include_str!("contract/key.rs")),
        ("key_change", include_str!("contract/key_change.rs")),
        ("maintenance", include_str!("contract/maintenance.rs")),
    ];

    #[test]
    fn every_behaviour_is_stamped() {
        let (list, _) = include_str!("contract.rs").split_once("fn a_store_agrees").unwrap();
        let stamped: Vec<&str> =
            list.split_whitespace().map(|word| word.trim_end_matches(';')).collect();
        for (file, text) in FILES {
            for line in text.lines() {
                if let Some(rest) = line.strip_prefix("pub async fn ") {
                    let (name, _) = rest.split_once('(').unwrap();
                    assert!(stamped.contains(&name), "{file}: {name} is not in contract_suite");
                }
            }
        }
    }
}
