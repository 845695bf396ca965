"""Submits a query, waits for its end and prints the answer."""

import sys
import time

import httpx

from gateway import HEADERS, URL


def ask(query):
    task_id = httpx.post(URL, headers=HEADERS, json={"query": query}).json()["task_id"]
    print(f"submitted {task_id}")
    for _ in range(150):
        task = httpx.get(f"{URL}/{task_id}", headers=HEADERS).json()
        if task["status"] == "TASK_STATUS_COMPLETED":
            return task["result"]
        if task["status"] == "TASK_STATUS_FAILED":
            raise RuntimeError(task["error"])
        time.sleep(0.2)
    raise TimeoutError(task_id)


try:
    print("answer:", ask(sys.argv[1]))
except RuntimeError as error:
    print("error:", error)
