"""Debian's python3-pika as its users use it, blocking and not.

Run as `python -m unittest amqp_pika.Blocking` with AMQP_URL and AMQP_PREFIX, of names that nobody else
has. Where a test needs the broker to be killed it writes `@restart` and waits for a line.
"""

import os
import sys
import unittest

import pika
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    NackError,
    UnroutableError,
)

URL = os.environ["AMQP_URL"]
PREFIX = os.environ["AMQP_PREFIX"]
WITHIN_S = 15


def connect(**options):
    parameters = pika.URLParameters(URL)
    for name, value in options.items():
        setattr(parameters, name, value)
    return pika.BlockingConnection(parameters)


def restart_broker():
    print("@restart", flush=True)
    sys.stdin.readline()


class Blocking(unittest.TestCase):
    def setUp(self):
        self.connection = connect()
        self.channel = self.connection.channel()
        self.name = f"{PREFIX}.{self.id()}"
        self.channel.queue_declare(self.name)

    def tearDown(self):
        if self.connection.is_open:
            self.connection.channel().queue_delete(self.name)
            self.connection.close()

    def send(self, *texts, **properties):
        for text in texts:
            self.channel.basic_publish("", self.name, text, pika.BasicProperties(**properties))

    def drain(self):
        texts = []
        while True:
            method, _, body = self.channel.basic_get(self.name, True)
            if method is None:
                return texts
            texts.append(body.decode())

    def test_properties_and_headers(self):
        properties = pika.BasicProperties(
            content_type="text/plain",
            content_encoding="utf-8",
            headers={"text": "Grüße", "number": 7, "large": 2**40, "yes": True, "none": None,
                     "list": [1, "two"], "table": {"inner": {"x": 1}}},
            delivery_mode=2,
            priority=4,
            correlation_id="c",
            reply_to="r",
            expiration="60000",
            message_id="m",
            timestamp=1700000000,
            type="t",
            user_id="guest",
            app_id="a",
        )
        self.channel.basic_publish("", self.name, b"body", properties)
        method, found, body = self.channel.basic_get(self.name, True)
        self.assertEqual(body, b"body")
        self.assertEqual(found.__dict__, properties.__dict__)
        self.assertEqual((method.redelivered, method.routing_key, method.message_count),
                         (False, self.name, 0))

    def test_passive_declaration_counts_at_once(self):
        self.channel.confirm_delivery()
        self.send("one", "two", "three")
        self.channel.basic_consume(self.name, lambda *_: None)
        found = self.channel.queue_declare(self.name, passive=True).method
        self.assertEqual((found.queue, found.consumer_count), (self.name, 1))
        self.channel.cancel()

    def test_confirms_returns_and_nacks(self):
        self.channel.confirm_delivery()
        self.send("routed")
        with self.assertRaises(UnroutableError) as caught:
            self.channel.basic_publish("", f"{self.name}.none", b"lost", mandatory=True)
        self.assertEqual(caught.exception.messages[0].body, b"lost")
        full = f"{self.name}.full"
        self.channel.queue_declare(
            full, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
        self.channel.basic_publish("", full, b"first")
        with self.assertRaises(NackError):
            self.channel.basic_publish("", full, b"second")
        self.channel.queue_delete(full)

    def test_consume_ack_nack_and_reject(self):
        self.channel.basic_qos(prefetch_count=1)
        self.send("acked", "rejected", "requeued")
        seen = []
        for method, _, body in self.channel.consume(self.name, inactivity_timeout=WITHIN_S):
            seen.append((body.decode(), method.redelivered))
            if body == b"acked":
                self.channel.basic_ack(method.delivery_tag)
            elif body == b"rejected":
                self.channel.basic_reject(method.delivery_tag, requeue=False)
            elif not method.redelivered:
                self.channel.basic_nack(method.delivery_tag, requeue=True)
            else:
                self.channel.basic_ack(method.delivery_tag)
                break
        self.assertEqual(
            seen, [("acked", False), ("rejected", False), ("requeued", False), ("requeued", True)])
        self.assertEqual(self.channel.cancel(), 0)
        self.assertEqual(self.drain(), [])

    def test_cancelled_by_the_broker(self):
        consumer = self.channel.consume(self.name, inactivity_timeout=0.05)
        next(consumer)
        other = self.connection.channel()
        other.queue_delete(self.name)
        # The generator ends when the broker cancels it.
        self.assertEqual([one for one in consumer if one[0] is not None], [])

    def test_several_channels_with_callbacks(self):
        other = self.connection.channel()
        other.basic_qos(prefetch_count=3, global_qos=True)
        seen = []

        def on_message(channel, method, _properties, body):
            seen.append(body.decode())
            channel.basic_ack(method.delivery_tag)
            if len(seen) == 20:
                channel.stop_consuming()

        other.basic_consume(self.name, on_message)
        self.send(*(str(index) for index in range(20)))
        other.start_consuming()
        self.assertEqual(seen, [str(index) for index in range(20)])

    def test_errors_close_the_channel_alone(self):
        with self.assertRaises(ChannelClosedByBroker) as caught:
            self.channel.queue_declare(f"{self.name}.none", passive=True)
        self.assertEqual(caught.exception.reply_code, 404)
        self.channel = self.connection.channel()
        with self.assertRaises(ChannelClosedByBroker) as caught:
            self.channel.queue_declare(self.name, durable=True)
        self.assertEqual(caught.exception.reply_code, 406)
        self.assertTrue(self.connection.is_open)

    def test_exclusive_queues_are_of_one_connection(self):
        own = self.channel.queue_declare("", exclusive=True).method.queue
        self.assertTrue(own.startswith("amq.gen-"))
        other = connect()
        with self.assertRaises(ChannelClosedByBroker) as caught:
            other.channel().queue_declare(own, passive=True)
        self.assertEqual(caught.exception.reply_code, 405)
        other.close()

    def test_transactions(self):
        channel = self.connection.channel()
        channel.tx_select()
        channel.basic_publish("", self.name, b"rolled back")
        channel.tx_rollback()
        channel.basic_publish("", self.name, b"committed")
        self.assertEqual(self.drain(), [])
        channel.tx_commit()
        self.assertEqual(self.drain(), ["committed"])

    def test_exchanges_bound_to_exchanges(self):
        source, target = f"{self.name}.source", f"{self.name}.target"
        self.channel.exchange_declare(source, "topic", auto_delete=True)
        self.channel.exchange_declare(target, "fanout", auto_delete=True)
        self.channel.queue_bind(self.name, target)
        self.channel.exchange_bind(target, source, "a.#")
        self.channel.confirm_delivery()
        self.channel.basic_publish(source, "a.b", b"in")
        self.channel.basic_publish(source, "b", b"out")
        self.assertEqual(self.drain(), ["in"])
        self.channel.exchange_unbind(target, source, "a.#")

    def test_recover(self):
        self.send("x")
        self.channel.basic_get(self.name)
        self.channel.basic_recover(requeue=True)
        method, _, body = self.channel.basic_get(self.name, True)
        self.assertEqual((method.redelivered, body), (True, b"x"))

    def test_flow_of_a_channel(self):
        self.assertTrue(self.channel.flow(True))

    def test_heartbeats_keep_it_open(self):
        other = connect(heartbeat=1)
        other.sleep(2.5)
        self.assertTrue(other.is_open)
        other.channel().queue_declare(self.name, passive=True)
        other.close()

    def test_small_frames(self):
        other = connect(frame_max=4096)
        body = bytes(range(256)) * 100
        channel = other.channel()
        channel.confirm_delivery()
        channel.basic_publish("", self.name, body)
        self.assertEqual(channel.basic_get(self.name, True)[2], body)
        other.close()

    def test_wrong_password(self):
        credentials = pika.PlainCredentials("guest", "wrong")
        with self.assertRaises(AMQPConnectionError):
            connect(credentials=credentials)


class BlockingThroughAKill(unittest.TestCase):
    def test_confirmed_messages_survive(self):
        name = f"{PREFIX}.survivors"
        connection = connect()
        channel = connection.channel()
        channel.queue_declare(name, durable=True)
        channel.confirm_delivery()
        for index in range(100):
            channel.basic_publish(
                "", name, str(index), pika.BasicProperties(delivery_mode=2), mandatory=True)
        restart_broker()
        with self.assertRaises((AMQPConnectionError, ConnectionClosedByBroker)):
            while True:
                connection.process_data_events(0.1)
        again = connect()
        channel = again.channel()
        self.assertEqual(channel.queue_declare(name, passive=True).method.message_count, 100)
        found = [channel.basic_get(name, True)[2].decode() for _ in range(100)]
        self.assertEqual(found, [str(index) for index in range(100)])
        channel.queue_delete(name)
        again.close()


class Selecting:
    """A SelectConnection that publishes with confirms and consumes what it published."""

    def __init__(self, name, count):
        self.name, self.count = name, count
        self.confirmed, self.received = set(), []
        self.problem = None
        self.connection = pika.SelectConnection(
            pika.URLParameters(URL),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self.opened),
            on_open_error_callback=self.failed,
            on_close_callback=lambda connection, _reason: connection.ioloop.stop(),
        )

    def run(self):
        self.connection.ioloop.call_later(WITHIN_S, lambda: self.failed(None, "too late"))
        self.connection.ioloop.start()
        if self.problem is not None:
            raise AssertionError(self.problem)

    def failed(self, _connection, problem):
        self.problem = problem
        self.connection.ioloop.stop()

    def opened(self, channel):
        self.channel = channel
        channel.add_on_close_callback(lambda _channel, _reason: None)
        channel.queue_declare(self.name, exclusive=True, callback=self.declared)

    def declared(self, _frame):
        self.channel.confirm_delivery(self.on_confirm, callback=self.selected)

    def selected(self, _frame):
        self.channel.basic_qos(prefetch_count=10, callback=self.limited)

    def limited(self, _frame):
        self.channel.basic_consume(self.name, self.on_message, callback=self.consuming)

    def consuming(self, _frame):
        for index in range(self.count):
            self.channel.basic_publish("", self.name, str(index))

    def on_confirm(self, frame):
        tag, multiple = frame.method.delivery_tag, frame.method.multiple
        self.confirmed.update(range(1, tag + 1) if multiple else [tag])
        self.end_if_done()

    def on_message(self, channel, method, _properties, body):
        self.received.append(body.decode())
        channel.basic_ack(method.delivery_tag)
        self.end_if_done()

    def end_if_done(self):
        if len(self.confirmed) == len(self.received) == self.count:
            self.connection.close()


class Select(unittest.TestCase):
    def test_confirms_and_deliveries(self):
        selecting = Selecting(f"{PREFIX}.select", 500)
        selecting.run()
        self.assertEqual(selecting.received, [str(index) for index in range(500)])
        self.assertEqual(selecting.confirmed, set(range(1, 501)))


if __name__ == "__main__":
    unittest.main()
