"""Plays a story with one of the SDK's two clients: `sync` or `async`.

A story is written once, for the asyncio client. `Blocking` gives the other
client the same face, whose calls are over before anybody could wait for them.
"""

import asyncio
import os
import sys

from shannon import AsyncShannonClient, ShannonClient, errors


class Blocking:
    """The blocking client, its methods as coroutines that never suspend."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        method = getattr(self._client, name)

        async def call(*args, **options):
            return method(*args, **options)

        async def follow(*args, **options):
            for event in method(*args, **options):
                yield event

        return follow if name.startswith("stream") else call


def client_of(kind, **options):
    options.setdefault("api_key", os.environ["TASKGATE_API_KEY"])
    return kind(base_url=os.environ["TASKGATE_URL"], **options)


def play(story, **options):
    """Runs `story(client, *arguments)`; the arguments follow the client's name."""
    kind, *arguments = sys.argv[1:]
    if kind == "async":
        asyncio.run(play_async(story, arguments, options))
        return
    with client_of(ShannonClient, **options) as client:
        try:
            # No event loop may run here: the blocking client brings its own.
            story(Blocking(client), *arguments).send(None)
        except StopIteration:
            pass


async def play_async(story, arguments, options):
    async with client_of(AsyncShannonClient, **options) as client:
        await story(client, *arguments)


async def refused(call):
    """What the client makes of a refusal: the exception's name and text."""
    try:
        answer = await call
    except errors.ShannonError as error:
        return f"{type(error).__name__} {error}"
    return f"not refused: {answer}"


def number_of(event):
    """An event's place in its task's log, which ends the id to resume from."""
    return int(event.id.rpartition("-")[2])


def numbered(event, text):
    """An event on one line; the end of a stream has no place in the log."""
    place = "" if event.type == "done" else f"{number_of(event)} "
    return f"{place}{event.type} {text}".rstrip()
