"""Prints one page of completed tasks with what each has cost."""

import httpx

from gateway import HEADERS, URL

answer = httpx.get(URL, headers=HEADERS, params={"status": "COMPLETED", "limit": 50, "offset": 0})
page = answer.json()
print(f"total {page['total_count']}")
for task in page["tasks"]:
    print(f"{task['task_id']} {task['status']}")
    if task["total_token_usage"]:
        print(f"  cost {task['total_token_usage']['cost_usd']:.4f}")
