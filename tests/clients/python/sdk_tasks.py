"""Submit, wait, status, list and cancel: sdk_tasks.py sync|async SESSION."""

import inspect

from sdk import play, refused

UNKNOWN = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def story(client, session):
    async def ask(query, **options):
        return await client.submit_task(query, session_id=session, **options)

    wish = {
        "context": {"language": "en"},
        "mode": "standard",
        "model_tier": "small",
        "model_override": "scripted-1",
        "provider_override": "openai",
        "force_swarm": True,
        "traceparent": TRACE,
        "idempotency_key": session,
    }
    handle = await ask("capital of France?", **wish)
    again = await ask("capital of France?", **wish)
    ids = {handle.task_id, handle.workflow_id, again.task_id, again.workflow_id}
    print(f"submitted: {len(ids)} id, session {handle.session_id}")

    done = await client.wait(handle.task_id, timeout=30, poll_interval=0.1)
    print(f"waited: {done.status.value} {done.result}, progress {done.progress:.0%}")
    print(f"as asked: {done.query} {done.session_id} {done.mode} {done.context}")
    print(f"by: {done.model_used} of {done.provider}, {done.usage}")
    print(f"times: {done.created_at < done.updated_at}, error {done.error_message!r}")
    # A handle knows the SDK's client itself, so its answer comes in two kinds.
    known = handle.wait(timeout=30)
    known = await known if inspect.isawaitable(known) else known
    print(f"handle: {known.result}")

    failed = await client.wait((await ask("fail: out of tokens")).task_id, poll_interval=0.1)
    print(f"failed: {failed.status.value} {failed.error_message}, result {failed.result}")

    slow = await ask("dawdle")
    in_vain = await refused(client.wait(slow.task_id, 1, 0.1))
    print(f"waited in vain: {in_vain}".replace(slow.task_id, "ID"))
    print(f"cancelled: {await client.cancel(slow.task_id, reason='enough')}")
    print(f"then: {(await client.wait(slow.task_id, poll_interval=0.1)).status.value}")
    print(f"cancelled again: {await client.cancel(slow.task_id)}")

    tasks, total = await client.list_tasks(session_id=session)
    for task in tasks:
        usage = task.total_token_usage
        tokens = f"{usage.prompt_tokens}+{usage.completion_tokens}={usage.total_tokens}"
        in_order = task.completed_at > task.created_at
        print(f"listed: {task.query} {task.status} {task.mode}")
        print(f"  {tokens} {usage.cost_usd}, times {in_order}")
    print(f"total: {total}")
    for options in ({"status": "FAILED"}, {"limit": 1, "offset": 1}, {"status": "QUEUED"}):
        tasks, total = await client.list_tasks(session_id=session, **options)
        print(f"{options}: {[task.query for task in tasks]} of {total}")

    print(f"unknown: {await refused(client.get_status(UNKNOWN))}")
    print(f"unknown: {await refused(client.wait(UNKNOWN))}")
    print(f"unknown: {await refused(client.cancel(UNKNOWN))}")
    print(f"refused: {await refused(client.list_tasks(status='DONE'))}")
    print(f"refused: {await refused(client.list_tasks(limit=0))}")
    print(f"refused: {await refused(ask('?', mode='clever'))}")
    print(f"refused: {await refused(ask('?', context={'disable_ai': True}, model_tier='small'))}")
    print(f"health: {(await client.health())['status']} {(await client.readiness())['status']}")
    print(f"openapi: {'/api/v1/tasks' in (await client.get_openapi_spec())['paths']}")


play(story)
