"""Tasks of a Celery application as people write them; AMQP_URL and AMQP_PREFIX come from the test."""

import os
import time

from celery import Celery
from kombu import Queue

URL = os.environ["AMQP_URL"]
PREFIX = os.environ["AMQP_PREFIX"]

app = Celery("tasks", broker=URL, backend="rpc://")
app.conf.update(
    task_default_queue=f"{PREFIX}.tasks",
    task_queues=[
        Queue(f"{PREFIX}.tasks", routing_key=f"{PREFIX}.tasks"),
        Queue(f"{PREFIX}.ranked", routing_key=f"{PREFIX}.ranked",
              queue_arguments={"x-max-priority": 10}),
    ],
    task_routes={"ranked": {"queue": f"{PREFIX}.ranked"}},
    # Rights of its own for what workers say to each other, so that runs do not hear each other.
    control_exchange=f"{PREFIX}.control",
    event_exchange=f"{PREFIX}.events",
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"confirm_publish": True, "interval_start": 0.1, "interval_step": 0.1},
    result_expires=600,
)


@app.task(name="add")
def add(one, other):
    return one + other


@app.task(name="flaky", bind=True, max_retries=5)
def flaky(self, failures):
    if self.request.retries < failures:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task(name="broken")
def broken():
    raise ValueError("it was to fail")


@app.task(name="now")
def now():
    return time.time()


@app.task(name="slow")
def slow(seconds):
    time.sleep(seconds)
    return seconds


@app.task(name="ranked")
def ranked(label):
    began = time.time()
    time.sleep(0.2)
    return label, began


@app.task(name="echo")
def echo(value):
    return value


@app.task(name="note")
def note(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{text}\n")
