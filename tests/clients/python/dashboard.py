"""What a dashboard shows: recent tasks, first pages, a session's cost, a cached list."""

import sys
import time

import httpx

from gateway import HEADERS, URL

session = sys.argv[1]


def recent(limit=10):
    params = {"limit": limit, "offset": 0}
    return httpx.get(URL, headers=HEADERS, params=params).json()["tasks"]


def page(offset, limit=20):
    params = {"limit": limit, "offset": offset}
    return httpx.get(URL, headers=HEADERS, params=params).json()


def session_cost(session_id):
    params = {"session_id": session_id, "limit": 100}
    tasks = httpx.get(URL, headers=HEADERS, params=params).json()["tasks"]
    return sum(t["total_token_usage"]["cost_usd"] for t in tasks if t["total_token_usage"])


class CachedList:
    """Asks again only when the answer is older than a minute."""

    def __init__(self):
        self.data, self.read_at, self.requests = None, 0, 0

    def get(self):
        now = time.time()
        if self.data is None or now - self.read_at > 60:
            self.data, self.read_at = httpx.get(URL, headers=HEADERS).json(), now
            self.requests += 1
        return self.data


for task in recent(limit=5):
    print(f"recent {task['created_at']}: {task['query'][:50]}...")
for number in range(3):
    print(f"page {number}: {len(page(offset=number * 20, limit=20)['tasks'])} tasks")
print(f"session cost: ${session_cost(session):.4f}")
running = httpx.get(URL, headers=HEADERS, params={"status": "RUNNING"}).json()["tasks"]
print(f"running: {sum(task['status'] == 'TASK_STATUS_RUNNING' for task in running)}")
cache = CachedList()
cache.get()
print(f"cached: {cache.get()['total_count']} tasks by {cache.requests} request")
