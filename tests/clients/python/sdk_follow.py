"""Prints a task's events as they come: sdk_follow.py sync|async sse|ws TASK."""

from sdk import numbered, play


async def story(client, transport, task):
    follow = client.stream if transport == "sse" else client.stream_ws
    async for event in follow(task):
        print(numbered(event, event.message))


play(story)
