"""Sessions and what is kept of their tasks: sdk_sessions.py sync|async NAME UUID."""

import uuid

from sdk import play, refused


async def story(client, name, row):
    async def run(query, session=name, **options):
        handle = await client.submit_task(query, session_id=session, **options)
        await client.wait(handle.task_id, poll_interval=0.1)
        return handle.task_id

    async def listed():
        sessions, total = await client.list_sessions(limit=100)
        assert total == len(sessions), (total, sessions)
        assert sessions == sorted(sessions, key=lambda one: one.created_at, reverse=True)
        return {session.session_id: session for session in sessions}

    answered = await run("capital of France?", mode="standard")
    failed = await run("fail: no map")
    researched = await run("panels?", session=row, context={"force_research": True})

    for session in (name, row):
        one = (await listed())[session]
        print(f"listed: {one.title} ({one.first_task_mode}, research {one.is_research_session})")
        print(f"  tasks {one.message_count}: {one.successful_tasks} good, {one.failed_tasks} bad")
        print(f"  success {one.success_rate}, tokens {one.total_tokens_used}")
        print(f"  cost {one.total_cost_usd:.6f}, each {one.average_cost_per_task:.6f}")
        print(f"  latest {one.latest_task_query} {one.latest_task_status}, active {one.is_active}")
        print(f"  times {one.created_at <= one.updated_at <= one.last_activity_at}")
        assert uuid.UUID(one.user_id)

    one = await client.get_session(name)
    print(f"got: {one.session_id} {one.title} {one.context.get('external_id')}")
    spent = f"tokens {one.total_tokens_used}, cost {one.total_cost_usd:.6f}"
    print(f"  tasks {one.task_count}, {spent}")
    one = await client.get_session(row)
    print(f"got: {one.session_id == row} {one.title}, research {one.is_research_session}")

    names = {answered: "answered", failed: "failed", researched: "researched"}
    for item in await client.get_session_history(name):
        in_time = item.created_at < item.completed_at
        print(f"history: {names[item.task_id]} {item.query} {item.status} {in_time}")
        print(f"  {item.result}, tokens {item.tokens_used}")

    turns, total = await client.get_session_events(name)
    print(f"turns: {len(turns)} of {total}")
    for turn in turns:
        print(f"{turn.turn}: {names[turn.task_id]} {turn.user_query} -> {turn.final_output!r}")
        print(f"  {' '.join(event.type for event in turn.events)}")
        print(f"  tokens {turn.metadata['tokens_used']}, by {turn.metadata['agents_involved']}")
    turns, total = await client.get_session_events(name, limit=1, offset=1)
    print(f"page: {[turn.turn for turn in turns]} of {total}")
    print(f"refused: {await refused(client.get_session_events(name, limit=101))}")

    for event in await client.get_task_events(answered):
        print(f"event: {event.seq} {event.type} {event.agent_id or '-'} {event.message}".rstrip())
    timeline = await client.get_task_timeline(failed)
    assert timeline["workflow_id"] == failed, timeline
    print(f"timeline: {' '.join(event['type'] for event in timeline['events'])}")
    print(f"  {timeline['stats']}")

    print(f"renamed: {await client.update_session_title(name, '  City  tour ')}")
    print(f"title: {(await listed())[name].title}, {(await client.get_session(name)).title}")
    print(f"refused: {await refused(client.update_session_title(name, ' '))}")
    print(f"refused: {await refused(client.update_session_title(name, 'x' * 61))}")

    print(f"deleted: {await client.delete_session(name)} {await client.delete_session(name)}")
    print(f"gone: {name not in await listed()}")
    for call in (client.get_session, client.get_session_history, client.get_session_events):
        print(f"gone: {await refused(call(name))}")
    print(f"gone: {await refused(client.update_session_title(name, 'new'))}")
    print(f"unknown: {await refused(client.delete_session('never-there'))}")
    print(f"task: {(await client.get_status(answered)).status.value}")
    await run("capital of Italy?")
    one = await client.get_session(name)
    print(f"anew: {one.title}, tasks {one.task_count}")


play(story)
