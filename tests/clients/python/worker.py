"""A worker over the worker protocol, whose tasks say how they want to end.

An agent task ends by its query: `fail: REASON` fails for good, `dawdle` runs
until it is cancelled, `json: TEXT` answers with that text and a structured
response, and anything else gets a plain answer. A query with `force_research`
in its context gets a research report. A research job runs through its steps
and reports numbers; with `{"end": "fail"}` or `{"end": "dawdle"}` in its
params it does that instead.
"""

import os
import threading
import time

import httpx

URL = os.environ["TASKGATE_WORKER_URL"] + "/api/v1/worker"
HEADERS = {"X-API-Key": os.environ["TASKGATE_API_KEY"]}
KINDS = ["agent", "search", "dedup", "crawl", "ocr", "index", "keyword_expand"]
client = httpx.Client(headers=HEADERS, timeout=60)


class LeaseLost(Exception):
    """Somebody else has the task now, or it has ended."""


class Job:
    """A claimed task and the ways to report on it."""

    def __init__(self, task):
        self.task = task

    def _post(self, what, **body):
        body["attempt"] = self.task["attempt"]
        answer = client.post(f"{URL}/tasks/{self.task['task_id']}/{what}", json=body)
        if answer.status_code == 409:
            raise LeaseLost
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def beat(self, **progress):
        if self._post("heartbeat", **progress)["cancel_requested"]:
            raise LeaseLost

    def tell(self, *events):
        self._post("events", events=list(events))

    def complete(self, **outcome):
        self._post("complete", **outcome)

    def fail(self, error):
        self._post("fail", error=error, retry=False)

    def dawdle(self):
        while True:
            self.beat()
            time.sleep(0.1)


def usage(model, provider, prompt, completion, cost):
    calls = {
        "model": model,
        "provider": provider,
        "executions": 1,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cost_usd": cost,
    }
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost_usd": cost,
        "models": [calls],
    }


def run_agent(job):
    query = job.task["query"]
    job.tell({"type": "AGENT_STARTED", "agent_id": "scripted", "message": "thinking"})
    if query.startswith("fail: "):
        return job.fail(query.removeprefix("fail: "))
    if query == "dawdle":
        return job.dawdle()
    job.beat(progress=1, total=2, message="half way")
    if (job.task.get("context") or {}).get("force_research"):
        return job.complete(**report(job.task))
    outcome = {
        "result": f"Paris, most likely. You asked: {query}",
        "model_used": "scripted-1",
        "provider": "scripts",
        "usage": usage("scripted-1", "scripts", 45, 105, 0.0023),
    }
    if query.startswith("json: "):
        outcome["result"] = query.removeprefix("json: ")
    job.complete(**outcome)


def report(task):
    """A deep-research outcome with every documented part."""
    text = "Costs fall [1] while demand grows [2]."
    return {
        "result": text,
        "metadata": {
            "unified_response": {
                "task_id": task["task_id"],
                "session_id": task["session_id"],
                "status": "completed",
                "result": text,
                "metadata": {
                    "model": "scripted-deep",
                    "execution_mode": "EXECUTION_MODE_COMPLEX",
                    "complexity_score": 0.72,
                    "agents_used": 3,
                },
                "usage": {
                    "input_tokens": 1210,
                    "output_tokens": 332,
                    "total_tokens": 1542,
                    "cost_usd": 0.0462,
                },
                "performance": {"execution_time_ms": 4520},
                "stop_reason": "completed",
                "error": None,
                "timestamp": "2026-01-20T10:00:00Z",
            },
            "citations": [
                {
                    "title": "Panel prices",
                    "url": "https://example.org/prices?y=2026&q=%C3%A4",
                    "source": "Example Review",
                    "credibility_score": 0.92,
                    "quality_score": 0.88,
                },
                {
                    "title": "Grid demand",
                    "url": "https://example.net/demand",
                    "source": "Example Grid",
                    "credibility_score": 0.95,
                    "quality_score": 0.91,
                },
            ],
            "verification": {
                "overall_confidence": 0.87,
                "total_claims": 12,
                "supported_claims": 10,
                "unsupported_claims": ["prices fall for ever"],
                "conflicts": [],
                "claim_details": [
                    {
                        "claim": "prices halved",
                        "supporting_citations": [1, 2],
                        "conflicting_citations": [],
                        "confidence": 0.92,
                    }
                ],
            },
            "extracted_facts": [
                {
                    "statement": "prices fell by 51 %",
                    "confidence": 0.92,
                    "source_citation": [1],
                    "category": "market",
                    "entity_mentions": ["panels"],
                    "temporal_marker": "2026",
                    "is_quantitative": True,
                }
            ],
            "fact_summary": {
                "total_facts": 24,
                "high_confidence": 18,
                "categorized_facts": {"market": 14, "research": 10},
                "contradiction_count": 1,
            },
        },
        "model_used": "scripted-deep",
        "provider": "scripts",
        "usage": usage("scripted-deep", "scripts", 1210, 332, 0.0462),
    }


def run_research(job):
    params = job.task.get("params") or {}
    if params.get("end") == "fail":
        return job.fail("the source did not answer")
    if params.get("end") == "dawdle":
        job.beat(progress=30, total=100)
        return job.dawdle()
    for step in (25, 50, 75, 100):
        job.beat(progress=step, total=100)
    job.complete(result={"papers_found": 15, "imported": 10})


def run(task):
    job = Job(task)
    try:
        (run_agent if task["kind"] == "agent" else run_research)(job)
    except LeaseLost:
        print(f"{task['task_id']} is no longer mine")


def main():
    wish = {
        "worker_id": f"scripted-{os.getpid()}",
        "kinds": KINDS,
        "max": 50,
        "lease_seconds": 30,
        "wait_seconds": 10,
    }
    while True:
        answer = client.post(f"{URL}/claim", json=wish)
        answer.raise_for_status()
        for task in answer.json()["tasks"]:
            threading.Thread(target=run, args=[task], daemon=True).start()


if __name__ == "__main__":
    try:
        main()
    except httpx.TransportError:
        print("the server has gone")
