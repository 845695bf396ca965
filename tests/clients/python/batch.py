"""Prints the status of many tasks; what went wrong with one is its status."""

import sys

import httpx

from gateway import HEADERS, URL


def statuses(task_ids):
    found = {}
    for task_id in task_ids:
        try:
            answer = httpx.get(f"{URL}/{task_id}", headers=HEADERS, timeout=5.0)
            found[task_id] = answer.json()["status"]
        except Exception as error:
            found[task_id] = f"ERROR: {error}"
    return found


for task_id, status in statuses(sys.argv[1:]).items():
    print(f"{task_id}: {status}")
