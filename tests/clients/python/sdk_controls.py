"""Pauses, resumes and cancels: sdk_controls.py sync|async."""

from sdk import play, refused

UNKNOWN = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def story(client):
    task = (await client.submit_task("capital?")).task_id

    async def show(what):
        status = await client.get_status(task)
        state = await client.get_control_state(task)
        paused = f"{state.is_paused} {state.pause_reason!r} {bool(state.paused_by)}"
        cancelled = f"{state.is_cancelled} {state.cancel_reason!r} {bool(state.cancelled_by)}"
        # `paused_at` has whole seconds.
        submitted_at = status.created_at.replace(microsecond=0)
        in_time = state.paused_at is None or submitted_at <= state.paused_at
        print(f"{what}: {status.status.value}, paused {paused}, cancelled {cancelled}, {in_time}")

    await show("submitted")
    print(f"pause: {await client.pause_task(task, reason='lunch')}")
    await show("paused")
    print(f"pause: {await refused(client.pause_task(task))}")
    tasks, _ = await client.list_tasks(status="PAUSED")
    print(f"listed as paused: {[one.status for one in tasks if one.task_id == task]}")
    print(f"resume: {await client.resume_task(task, reason='full')}")
    await show("resumed")
    print(f"resume: {await refused(client.resume_task(task))}")
    print(f"pause: {await client.pause_task(task)}")
    print(f"cancel: {await client.cancel(task, reason='enough')}")
    await show("cancelled")
    for control in (client.pause_task, client.resume_task):
        print(f"too late: {await refused(control(task))}")
    for control in (client.pause_task, client.resume_task, client.get_control_state):
        print(f"unknown: {await refused(control(UNKNOWN))}")


play(story)
