"""Debian's python3-pika and a broker that runs short.

Run as `python -m unittest amqp_pika_blocked.ShortForAWhile` with AMQP_URL and AMQP_PREFIX. It writes
`@short` and `@room` and waits for a line: then the broker is so.
"""

import os
import sys
import time
import unittest

import pika
from pika.exceptions import ConnectionBlockedTimeout

URL = os.environ["AMQP_URL"]
PREFIX = os.environ["AMQP_PREFIX"]
WITHIN_S = 15
LATE = 20


def ask_for(what):
    print(f"@{what}", flush=True)
    sys.stdin.readline()


class Told:
    """A connection, and what it was told of being blocked."""

    def __init__(self, **options):
        parameters = pika.URLParameters(URL)
        for name, value in options.items():
            setattr(parameters, name, value)
        self.words = []
        self.connection = pika.BlockingConnection(parameters)
        self.connection.add_on_connection_blocked_callback(
            lambda _connection, frame: self.words.append(frame.method.reason)
        )
        self.connection.add_on_connection_unblocked_callback(
            lambda _connection, _frame: self.words.append("unblocked")
        )

    def hear(self, count):
        deadline = time.monotonic() + WITHIN_S
        while len(self.words) < count and time.monotonic() < deadline:
            self.connection.process_data_events(time_limit=0.1)
        return self.words


def consume(channel, count):
    bodies = []
    for method, _, body in channel.consume(PREFIX, inactivity_timeout=WITHIN_S):
        if method is None:
            break
        channel.basic_ack(method.delivery_tag)
        bodies.append(body.decode())
        if len(bodies) == count:
            break
    channel.cancel()
    return bodies


class ShortForAWhile(unittest.TestCase):
    def test_is_told_held_back_and_comes_through(self):
        publisher, consumer = Told(), Told()
        confirming, unconfirming = publisher.connection.channel(), publisher.connection.channel()
        confirming.queue_declare(PREFIX, durable=True)
        confirming.confirm_delivery()
        confirming.basic_publish("", PREFIX, b"before", pika.BasicProperties(delivery_mode=2))
        ask_for("short")
        confirming.basic_publish("", PREFIX, b"first", pika.BasicProperties(delivery_mode=2))
        self.assertEqual(publisher.hear(1), ["low on disk"])
        working = consumer.connection.channel()
        self.assertEqual(consume(working, 2), ["before", "first"])
        for index in range(LATE):
            unconfirming.basic_publish("", PREFIX, f"late {index}")
        publisher.connection.process_data_events(time_limit=0)
        # Time enough for all of them, if they were read.
        for _ in range(LATE):
            taken = working.queue_declare(PREFIX, passive=True).method.message_count
        self.assertLess(taken, LATE // 2)
        ask_for("room")
        self.assertEqual(publisher.hear(2), ["low on disk", "unblocked"])
        self.assertEqual(consume(working, LATE), [f"late {index}" for index in range(LATE)])
        self.assertEqual(consumer.words, [])
        publisher.connection.close()
        consumer.connection.close()


class ShortForLong(unittest.TestCase):
    def test_gives_up_when_told_to_wait_no_longer(self):
        told = Told(blocked_connection_timeout=1)
        channel = told.connection.channel()
        channel.queue_declare(PREFIX, exclusive=True)
        channel.basic_publish("", PREFIX, b"x")
        self.assertEqual(told.hear(1), ["low on memory"])
        with self.assertRaises(ConnectionBlockedTimeout):
            told.hear(2)
