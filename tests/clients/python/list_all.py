"""Collects every task, page by page; the first argument is a status.

Without an argument the status is None, which httpx sends as `status=`.
"""

import sys

import httpx

from gateway import HEADERS, URL

PAGE = 100


def list_all(status=None):
    found = []
    while True:
        params = {"status": status, "limit": PAGE, "offset": len(found)}
        tasks = httpx.get(URL, headers=HEADERS, params=params).json()["tasks"]
        found.extend(tasks)
        if len(tasks) < PAGE:
            return found


tasks = list_all(*sys.argv[1:2])
print(f"found {len(tasks)}, {len({task['task_id'] for task in tasks})} different")
