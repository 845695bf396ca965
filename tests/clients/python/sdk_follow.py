"""Prints a task's events as they come: sdk_follow.py sync|async sse|ws TASK.

The SDK resumes server-sent events by itself. A WebSocket that breaks off it
leaves to the application: this one goes on behind what it has seen.
"""

from sdk import numbered, play
from websockets.exceptions import ConnectionClosedError


async def story(client, transport, task):
    if transport == "sse":
        async for event in client.stream(task):
            print(numbered(event, event.message))
        return
    seen = None
    while True:
        try:
            async for event in client.stream_ws(task, last_event_id=seen):
                print(numbered(event, event.message))
                seen = event.id
            return
        except ConnectionClosedError as cut:
            print(f"cut: {cut}")


play(story)
