DROP TABLE idempotency_keys, task_count_deltas, task_counts, review_rounds, reviews, task_events, finished_tasks, live_tasks, tasks;
