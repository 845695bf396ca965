"""Waits for a task (by its id) to end and prints its result.

The second argument chooses the way: `steady` polls at a fixed pace and raises
for every bad end, `backoff` polls ever more slowly.
"""

import sys
import time

import httpx

from gateway import HEADERS, URL

task_id, way = sys.argv[1:3]


def read():
    return httpx.get(f"{URL}/{task_id}", headers=HEADERS).json()


def steady(timeout=30):
    start = time.time()
    while True:
        task = read()
        status = task["status"]
        if status == "TASK_STATUS_COMPLETED":
            return task.get("result")
        if status == "TASK_STATUS_FAILED":
            raise RuntimeError(f"failed: {task['error']}")
        if status == "TASK_STATUS_TIMEOUT":
            raise RuntimeError("timed out")
        if status == "TASK_STATUS_CANCELLED":
            raise RuntimeError("cancelled")
        if time.time() - start > timeout:
            raise TimeoutError(f"no end within {timeout} s")
        time.sleep(0.2)


def backoff(longest=2):
    pause = 0.1
    for _ in range(30):
        task = read()
        if task["status"] in ["TASK_STATUS_COMPLETED", "TASK_STATUS_FAILED"]:
            return f"{task['status']} {task.get('result') or task['error']}"
        time.sleep(pause)
        pause = min(pause * 2, longest)
    raise TimeoutError("no end")


try:
    print("result:", {"steady": steady, "backoff": backoff}[way]())
except RuntimeError as error:
    print("error:", error)
