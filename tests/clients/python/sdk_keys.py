"""The carriers of a key: sdk_keys.py sync|async."""

import os

import sdk


async def ask(client):
    handle = await client.submit_task("?")
    print(f"submitted, session of {len(handle.session_id)} characters")


async def be_refused(client):
    print(await sdk.refused(client.submit_task("?")))
    print(await sdk.refused(client.list_tasks()))


sdk.play(ask, api_key=None, bearer_token=os.environ["TASKGATE_API_KEY"])
sdk.play(be_refused, api_key="sk_test_654321")
sdk.play(be_refused, api_key=None)
