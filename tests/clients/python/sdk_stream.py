"""Replays ended tasks in every way: sdk_stream.py sync|async COMPLETED FAILED CANCELLED.

The first task must have events of many types. What is asserted here holds for
any log; what is printed shows the logs.
"""

from sdk import number_of, numbered, play
from shannon import EventType

UNKNOWN = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV"
# Each filter in the spelling of the log, of the wire, and of the SDK.
FILTERS = [
    ["LLM_PARTIAL"],
    ["thread.message.delta"],
    [EventType.THREAD_MESSAGE_DELTA],
    ["LLM_OUTPUT"],
    ["thread.message.completed"],
    ["WORKFLOW_PAUSED", "WORKFLOW_RESUMED"],
    [EventType.WORKFLOW_PAUSED, EventType.WORKFLOW_RESUMED],
    ["STREAM_END"],
    [EventType.STREAM_END],
    ["AGENT_STARTED", EventType.PROGRESS],
    ["SOMETHING_ELSE"],
]


async def everything(events):
    return [event async for event in events]


def line(event):
    return numbered(event, f"{event.agent_id or '-'} {event.message}")


async def story(client, completed, failed, cancelled):
    for transport, follow in (("sse", client.stream), ("ws", client.stream_ws)):
        for task in (completed, failed, cancelled):
            whole = await everything(follow(task, timeout=20))
            print(f"--- {transport}")
            print(*map(line, whole), sep="\n")
            check_order(task, whole)
            await check_resumption(follow, task, whole)
        print(f"--- {transport} filters")
        for types in FILTERS:
            some = await everything(follow(completed, types=types))
            wish = ",".join(getattr(wanted, "value", wanted) for wanted in types)
            print(f"{wish}: {' '.join(event.type for event in some)}".rstrip())
        filtered = follow(completed, types=["LLM_OUTPUT", "PROGRESS"], last_event_id="5")
        print(f"after 5: {' '.join(line(event) for event in await everything(filtered))}")

    print("--- refusals")
    print(f"unknown, sse: {await everything(client.stream(UNKNOWN))}")
    try:
        await everything(client.stream_ws(UNKNOWN))
    except Exception as error:
        print(f"unknown, ws: {error}")


def check_order(task, whole):
    assert all(event.workflow_id == task for event in whole), task
    # To what says `done` the SDK itself gives a time.
    logged = [event for event in whole if event.type != "done"]
    numbers = [number_of(event) for event in logged]
    assert numbers == list(range(1, len(logged) + 1)), numbers
    times = [event.timestamp for event in logged]
    assert times == sorted(times), times


async def check_resumption(follow, task, whole):
    # A stream that says `done` says so even if nothing else is left.
    done = [line(event) for event in whole if event.type == "done"]
    for place, event in enumerate(whole, 1):
        for resume_from in (event.id, str(number_of(event))):
            rest = await everything(follow(task, last_event_id=resume_from))
            missed = list(map(line, whole[place:])) or done
            assert list(map(line, rest)) == missed, (resume_from, rest)


play(story)
