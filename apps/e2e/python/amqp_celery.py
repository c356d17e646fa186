"""Debian's python3-celery, with a worker that the `celery` command runs: what an application asks of it.

Run as a program with AMQP_URL and AMQP_PREFIX. Where the broker is to be killed it writes `@restart` and
waits for a line; a line `ok …` follows each thing that went well.
"""

import datetime
import os
import subprocess
import sys
import tempfile
import time

from celery import chain, group
from celery.exceptions import TimeoutError

from amqp_celery_tasks import PREFIX, add, app, broken, echo, flaky, note, now, ranked, slow

WITHIN_S = 30


def test(check):
    check()
    print(f"ok {check.__name__}", flush=True)


def eventually(look):
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            found = look()
        except (OSError, TimeoutError):
            found = None
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("not in time")


def result_of(result):
    return result.get(timeout=WITHIN_S)


def results():
    assert result_of(add.delay(1, 2)) == 3
    many = [add.delay(index, index) for index in range(50)]
    assert [result_of(one) for one in many] == [2 * index for index in range(50)]
    value = {"text": "Grüße", "list": [1, None, {"x": 1.5}]}
    assert result_of(echo.delay(value)) == value
    assert len(result_of(echo.delay("x" * 300_000))) == 300_000


def failures():
    try:
        result_of(broken.delay())
        raise AssertionError("it did not fail")
    except ValueError as error:
        assert str(error) == "it was to fail"


def retries():
    assert result_of(flaky.delay(3)) == 3


def countdown_and_eta():
    began = time.time()
    assert result_of(now.apply_async(countdown=1)) >= began + 1
    eta = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    assert result_of(now.apply_async(eta=eta)) >= eta.timestamp()


def scheduled_tasks_are_seen_and_revoked():
    result = now.apply_async(countdown=60)
    eventually(lambda: any(result.id in str(tasks) for tasks in inspect().scheduled().values()))
    result.revoke()
    eventually(lambda: any(result.id in ids for ids in inspect().revoked().values()))


def expired_tasks_do_not_run():
    blocker = [slow.delay(0.5) for _ in range(4)]
    result = add.apply_async((1, 1), expires=0.1)
    for one in blocker:
        result_of(one)
    try:
        result.get(timeout=1)
        raise AssertionError("it ran")
    except TimeoutError:
        pass


def chains_and_groups():
    assert result_of(chain(add.s(1, 2), add.s(10))()) == 13
    assert result_of(group(add.s(index, 1) for index in range(10))()) == list(range(1, 11))


def priorities():
    # Both processes are busy, and the worker takes no more than it has processes.
    blockers = [slow.apply_async((3,), queue=f"{PREFIX}.ranked") for _ in range(2)]
    eventually(lambda: len(active()) == 2)
    waiting = [(label, ranked.apply_async((label,), priority=priority))
               for label, priority in [("low", 1), ("lower", 0), ("high", 9), ("higher", 10)]]
    for one in blockers:
        result_of(one)
    times = {label: result_of(result)[1] for label, result in waiting}
    assert max(times["high"], times["higher"]) < min(times["low"], times["lower"]), times


def inspect():
    # One worker: its answer ends the wait.
    return app.control.inspect(timeout=2, limit=1)


def active():
    return [task for tasks in (inspect().active() or {}).values() for task in tasks]


def reserved():
    return [task for tasks in (inspect().reserved() or {}).values() for task in tasks]


def inspection():
    name = next(iter(eventually(inspect().ping)))
    assert inspect().ping()[name] == {"ok": "pong"}
    assert "add" in inspect().registered()[name]
    assert inspect().stats()[name]["pool"]["max-concurrency"] == 2
    queues = [queue["name"] for queue in inspect().active_queues()[name]]
    assert sorted(queues) == [f"{PREFIX}.ranked", f"{PREFIX}.tasks"]


def prefetch_changes():
    name = next(iter(inspect().ping()))
    before = inspect().stats()[name]["prefetch_count"]
    app.control.pool_grow(2)
    eventually(lambda: inspect().stats()[name]["prefetch_count"] > before)
    # The worker holds four at a time, which it could not with the prefetch as it was.
    running = [slow.delay(1.5) for _ in range(4)]
    eventually(lambda: len({task["id"] for task in active() + reserved()}) == 4)
    for one in running:
        result_of(one)
    app.control.pool_shrink(2)
    eventually(lambda: inspect().stats()[name]["prefetch_count"] == before)


def consumers_come_and_go():
    queue = f"{PREFIX}.extra"
    app.control.add_consumer(queue, reply=True)
    assert result_of(add.apply_async((2, 3), queue=queue)) == 5
    app.control.cancel_consumer(queue, reply=True)
    eventually(lambda: queue not in str(inspect().active_queues()))


def events():
    seen = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": lambda event: seen.append(event["type"])})
        capture = receiver.itercapture(limit=None, timeout=WITHIN_S, wakeup=True)
        next(capture)
        result = add.delay(1, 1)
        while "task-succeeded" not in seen:
            next(capture)
    assert result_of(result) == 2


def the_command():
    environment = dict(os.environ)
    command = [sys.executable, "/usr/bin/celery", "-A", "amqp_celery_tasks", "inspect", "ping"]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WITHIN_S)
    assert "pong" in output.stdout and "1 node online" in output.stdout, output


def survives_a_kill():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "notes")
        for index in range(10):
            note.apply_async((path, index), countdown=2)
        print("@restart", flush=True)
        sys.stdin.readline()
        # Late acks: each runs, if not for the first time.
        eventually(lambda: os.path.exists(path) and
                   set(open(path, encoding="utf-8").read().split()) >= set(map(str, range(10))))
    # Answers come to a queue of one's own, which went with the connection: a new application asks.
    script = f"from amqp_celery_tasks import add; print(add.delay(2, 3).get(timeout={WITHIN_S}))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                            timeout=2 * WITHIN_S)
    assert output.stdout.strip() == "5", output


for check in [results, failures, retries, countdown_and_eta, scheduled_tasks_are_seen_and_revoked,
              expired_tasks_do_not_run, chains_and_groups, priorities, inspection, prefetch_changes,
              consumers_come_and_go, events, the_command, survives_a_kill]:
    test(check)
print("all is well", flush=True)
