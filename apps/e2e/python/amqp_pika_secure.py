"""Debian's python3-pika over TLS, and with the logins that are no password of a user.

Run as `python -m unittest amqp_pika_secure.Tls` with AMQP_URL and AMQP_PREFIX, and with
AMQP_CERTIFICATES, the directory of `ca.crt` and the clients' certificates. Where a test needs something
to happen to the broker it writes a line that begins with `@` and waits for one.
"""

import os
import ssl
import sys
import unittest

import pika
from pika.exceptions import (
    AMQPConnectionError,
    AuthenticationError,
    ChannelClosedByBroker,
    ProbableAuthenticationError,
)

URL = os.environ["AMQP_URL"]
PREFIX = os.environ["AMQP_PREFIX"]
CERTIFICATES = os.environ["AMQP_CERTIFICATES"]
WITHIN_S = 15


def tls(certificate=None):
    context = ssl.create_default_context(cafile=f"{CERTIFICATES}/ca.crt")
    if certificate is not None:
        path = f"{CERTIFICATES}/{certificate}"
        context.load_cert_chain(f"{path}.crt", f"{path}.key")
    return pika.SSLOptions(context, "localhost")


def connect(certificate=None, credentials=None, **options):
    parameters = pika.URLParameters(URL)
    if URL.startswith("amqps"):
        parameters.ssl_options = tls(certificate)
    if credentials is not None:
        parameters.credentials = credentials
    for name, value in options.items():
        setattr(parameters, name, value)
    return pika.BlockingConnection(parameters)


def ask_for(what):
    print(f"@{what}", flush=True)
    sys.stdin.readline()


def consume(channel, queue, count):
    bodies = []
    for method, _, body in channel.consume(queue, inactivity_timeout=WITHIN_S):
        if method is None:
            break
        channel.basic_ack(method.delivery_tag)
        bodies.append(body)
        if len(bodies) == count:
            break
    channel.cancel()
    return bodies


class Tls(unittest.TestCase):
    def test_publishes_with_confirms_and_consumes(self):
        with connect() as connection:
            channel = connection.channel()
            channel.queue_declare(PREFIX, exclusive=True)
            channel.confirm_delivery()
            sent = [b"x" * size for size in (0, 1, 4_096, 131_065, 1_000_000)]
            for body in sent:
                channel.basic_publish("", PREFIX, body, mandatory=True)
            self.assertEqual(consume(channel, PREFIX, len(sent)), sent)

    def test_goes_on_when_the_certificate_changes(self):
        with connect() as connection:
            channel = connection.channel()
            channel.queue_declare(PREFIX, exclusive=True)
            channel.confirm_delivery()
            channel.basic_publish("", PREFIX, b"before")
            ask_for("certificate")
            channel.basic_publish("", PREFIX, b"after")
            self.assertEqual(consume(channel, PREFIX, 2), [b"before", b"after"])
            connect().close()


class Certificates(unittest.TestCase):
    def open(self, certificate):
        return connect(certificate, pika.credentials.ExternalCredentials())

    def test_says_who_it_is(self):
        with self.open("machine") as connection:
            channel = connection.channel()
            channel.queue_declare("machine.pika", auto_delete=True)
            channel.confirm_delivery()
            properties = pika.BasicProperties(user_id="machine")
            channel.basic_publish("", "machine.pika", b"mine", properties)
            self.assertEqual(consume(channel, "machine.pika", 1), [b"mine"])

    def test_may_do_what_its_user_may_and_nothing_else(self):
        attempts = {
            "declare": lambda channel: channel.queue_declare("other"),
            "read": lambda channel: channel.basic_get("belongs.to.admin"),
            "purge": lambda channel: channel.queue_purge("belongs.to.admin"),
            "bind": lambda channel: channel.queue_bind("belongs.to.admin", "amq.topic", "#"),
            "write": lambda channel: (
                channel.confirm_delivery(),
                channel.basic_publish("amq.topic", "key", b"no"),
            ),
        }
        with connect() as admin:
            admin.channel().queue_declare("belongs.to.admin")
            with self.open("machine") as connection:
                for name, attempt in attempts.items():
                    with self.subTest(name), self.assertRaises(ChannelClosedByBroker) as caught:
                        attempt(connection.channel())
                    self.assertEqual(caught.exception.reply_code, 403)
            admin.channel().queue_delete("belongs.to.admin")

    def test_of_nobody_is_refused(self):
        with self.assertRaisesRegex(ProbableAuthenticationError, r"\(403\)"):
            self.open("nobody")

    def test_of_another_authority_does_not_get_as_far_as_a_login(self):
        with self.assertRaises(AMQPConnectionError) as caught:
            self.open("mallory")
        self.assertNotIsInstance(caught.exception, ProbableAuthenticationError)

    def test_is_not_asked_of_who_has_none(self):
        with self.assertRaises(AuthenticationError):
            self.open(None)


class Tokens(unittest.TestCase):
    def open(self, token, user=""):
        return connect(credentials=pika.PlainCredentials(user, token))

    def test_are_the_password_of_nobody_or_of_anybody(self):
        for user in ("", "whoever"):
            with self.subTest(user), self.open(os.environ["AMQP_TOKEN"], user) as connection:
                channel = connection.channel()
                channel.queue_declare("service.pika", exclusive=True)
                channel.confirm_delivery()
                properties = pika.BasicProperties(user_id="service")
                channel.basic_publish("", "service.pika", b"mine", properties)
                self.assertEqual(consume(channel, "service.pika", 1), [b"mine"])

    def test_that_are_forged_are_refused(self):
        head, claims, _ = os.environ["AMQP_TOKEN"].split(".")
        with self.assertRaisesRegex(ProbableAuthenticationError, r"\(403\)"):
            self.open(f"{head}.{claims}.{'A' * 43}")
