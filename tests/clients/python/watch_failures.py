"""Looks for failed tasks a few times and prints why each failed."""

import sys
import time

import httpx

from gateway import HEADERS, URL

rounds = int(sys.argv[1])

for number in range(rounds):
    if number:
        time.sleep(0.2)
    params = {"status": "FAILED", "limit": 10}
    failed = httpx.get(URL, headers=HEADERS, params=params).json()["tasks"]
    if failed:
        print(f"{len(failed)} failed")
    for task in failed:
        detail = httpx.get(f"{URL}/{task['task_id']}", headers=HEADERS).json()
        print(f"{task['task_id']} ({task['query']}): {detail.get('error', 'unknown')}")
