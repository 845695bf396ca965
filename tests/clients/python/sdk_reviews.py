"""Reviews a plan: sdk_reviews.py sync|async. A worker makes the plans."""

import json
import os
import threading
import urllib.request

from sdk import play, refused

UNKNOWN = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV"
RESEARCH = {"force_research": True, "review_plan": "manual"}


def worker(path, body=None):
    request = urllib.request.Request(
        f"{os.environ['TASKGATE_WORKER_URL']}/api/v1/worker/{path}",
        body and json.dumps(body).encode(),
        {"X-API-Key": os.environ["TASKGATE_API_KEY"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def claim():
    wish = {"worker_id": "planner", "kinds": ["agent"], "wait_seconds": 30}
    task = worker("claim", wish)["tasks"][0]
    path, attempt = f"tasks/{task['task_id']}", task["attempt"]
    return path, attempt, worker(f"{path}/review?attempt={attempt}")["review"]


def plan():
    path, attempt, review = claim()
    text = f"{review['plan']}, but {review['feedback']}" if review else "look"
    worker(f"{path}/plan", {"attempt": attempt, "plan": text, "questions": ["Where?"]})


def carry_out():
    path, attempt, review = claim()
    worker(f"{path}/complete", {"attempt": attempt, "result": f"{review['approved']}"})


async def story(client):
    task = (await client.submit_task("capital?", context=RESEARCH)).task_id

    def show(what, state):
        said = [f"{one.role}: {one.message}" for one in state.rounds]
        times = all(one.timestamp for one in state.rounds)
        print(f"{what}: {state.status} {state.round} {state.version} {state.current_plan!r}")
        print(f"  {said} {times} {state.query!r}")

    print(f"no plan yet: {await refused(client.get_review_state(task))}")
    plan()
    show("planned", await client.get_review_state(task))
    print(f"status: {(await client.get_status(task)).status.value}")
    replan = threading.Thread(target=plan)
    replan.start()
    show("again", await client.submit_review_feedback(task, "shorter", version=1))
    replan.join()
    print(f"stale: {await refused(client.submit_review_feedback(task, 'no', version=1))}")
    print(f"stale: {await refused(client.approve_review(task, version=1))}")
    print(f"empty: {await refused(client.submit_review_feedback(task, ''))}")
    print(f"approve: {await client.approve_review(task, version=2)}")
    print(f"approve: {await client.approve_review(task)}")
    print(f"too late: {await refused(client.submit_review_feedback(task, 'no'))}")
    carry_out()
    show("approved", await client.get_review_state(task))
    print(f"result: {(await client.get_status(task)).result}")
    for call in (client.get_review_state, client.approve_review):
        print(f"unknown: {await refused(call(UNKNOWN))}")


play(story)
