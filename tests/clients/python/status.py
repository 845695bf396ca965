"""One look at a task, told in as many ways as programs read it."""

import sys
import time
from functools import lru_cache

import httpx

from gateway import HEADERS, KEY, URL


def get_task(task_id, api_key):
    answer = httpx.get(f"{URL}/{task_id}", headers={"X-API-Key": api_key})
    return None if answer.status_code == 404 else answer.json()


@lru_cache(maxsize=1000)
def cached_task(task_id, api_key, bucket):
    return get_task(task_id, api_key)


def describe(task):
    match task["status"]:
        case "TASK_STATUS_QUEUED":
            return "waits in the queue"
        case "TASK_STATUS_RUNNING":
            return "is running"
        case "TASK_STATUS_COMPLETED":
            return f"answers: {task['result']}"
        case "TASK_STATUS_FAILED":
            return f"failed: {task['error']}"
        case "TASK_STATUS_TIMEOUT":
            return "took too long"
        case "TASK_STATUS_CANCELLED":
            return "was cancelled"
    return f"is in an unexpected status, {task['status']}"


def widget(task_id):
    task = httpx.get(f"{URL}/{task_id}", headers=HEADERS).json()
    return {
        "id": task_id,
        "query": task["query"][:50] + "...",
        "status": task["status"].replace("TASK_STATUS_", ""),
        "mode": task["mode"].replace("EXECUTION_MODE_", ""),
        "created": task["created_at"],
    }


def task_info(task_id, api_key):
    task = get_task(task_id, api_key)
    return {
        "task_id": task["task_id"],
        "query": task["query"],
        "status": task["status"],
        "mode": task["mode"],
        "session_id": task["session_id"],
        "has_result": task["response"] is not None,
        "has_error": bool(task["error"]),
    }


for task_id in sys.argv[1:]:
    task = get_task(task_id, KEY)
    if task is None:
        print(f"{task_id}: no such task")
        continue
    print(f"{task_id}: {describe(task)}")
    shown = widget(task_id)
    print(f"{task_id}: {shown['status']} {shown['mode']} {shown['query']}")
    info = task_info(task_id, KEY)
    print(f"{task_id}: session {info['session_id']}, has_result {info['has_result']}, "
          f"has_error {info['has_error']}")
    bucket = int(time.time() / 5)
    cached_task(task_id, KEY, bucket)
    same = cached_task(task_id, KEY, bucket)["status"] == task["status"]
    print(f"{task_id}: cached {same}, hits {cached_task.cache_info().hits}")
