"""Submits and follows in one go: sdk_submit_and_stream.py sync|async SESSION."""

from sdk import play


async def story(client, session):
    handle, url = await client.submit_and_stream(
        "capital?", session_id=session, mode="standard", context={"language": "en"}
    )
    print(f"submitted: {handle.session_id}, {handle.task_id == handle.workflow_id}")
    print(url.replace(handle.task_id, "TASK"))
    types = [event.type async for event in client.stream(handle.workflow_id)]
    print(*types)
    status = await client.get_status(handle.task_id)
    print(f"{status.status.value} {status.mode} {status.context} {status.result}")


play(story)
