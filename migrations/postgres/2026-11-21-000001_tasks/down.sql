DROP TABLE idempotency_keys, task_count_deltas, task_counts, task_events, finished_tasks, live_tasks, tasks;
