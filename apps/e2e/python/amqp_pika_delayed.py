"""The exchange that delays, with Debian's python3-pika. RabbitMQ has it by a plugin that Debian lacks.

Run as amqp_pika.py is.
"""

import time
import unittest

import pika
from pika.exceptions import ChannelClosedByBroker

from amqp_pika import PREFIX, WITHIN_S, connect, restart_broker


class Delayed(unittest.TestCase):
    def setUp(self):
        self.name = f"{PREFIX}.{self.id()}"
        self.open()
        self.declare()
        self.channel.queue_declare(self.name, durable=True)
        self.channel.queue_bind(self.name, self.name, "key")

    def tearDown(self):
        self.connection.close()

    def open(self):
        self.connection = connect()
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def declare(self, delayed_type="direct"):
        self.channel.exchange_declare(
            self.name, "x-delayed-message", durable=True, arguments={"x-delayed-type": delayed_type}
        )

    def send(self, text, delay, mandatory=False):
        properties = pika.BasicProperties(
            delivery_mode=2, headers={"list": [1, "two"], "x-delay": delay, "none": None}
        )
        self.channel.basic_publish(self.name, "key", text, properties, mandatory)

    def take(self):
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            method, properties, body = self.channel.basic_get(self.name, True)
            if method is not None:
                return body.decode(), properties.headers
            time.sleep(0.02)
        raise AssertionError("nothing came")

    def test_order_and_headers(self):
        started = time.monotonic()
        self.send("late", 800)
        self.send("sooner", 300, mandatory=True)
        self.assertEqual(self.channel.basic_get(self.name, True), (None, None, None))
        self.assertEqual(
            self.take(), ("sooner", {"list": [1, "two"], "x-delay": -300, "none": None})
        )
        self.assertEqual(self.take()[0], "late")
        self.assertGreaterEqual(time.monotonic() - started, 0.8)

    def test_redeclaration(self):
        self.declare()
        with self.assertRaises(ChannelClosedByBroker) as caught:
            self.declare("fanout")
        self.assertEqual(caught.exception.reply_code, 406)

    def test_too_long(self):
        self.send("kept", 2**32 - 1)
        with self.assertRaises(ChannelClosedByBroker) as caught:
            self.send("refused", 2**32)
        self.assertEqual(caught.exception.reply_code, 406)

    def test_through_a_kill(self):
        for index in range(50):
            self.send(f"m{index}", 1_000)
        restart_broker()
        self.open()
        self.assertEqual([self.take()[0] for _ in range(50)], [f"m{index}" for index in range(50)])


if __name__ == "__main__":
    unittest.main()
