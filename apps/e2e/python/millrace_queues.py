"""Exchanges and queues for the client of millrace_client: section 19 of docs/protocol.md."""

import collections, struct

import msgpack

import millrace_client as m

EXCHANGE_DECLARE, EXCHANGE_DESCRIBE, EXCHANGE_LIST, EXCHANGE_DELETE = 0x50, 0x51, 0x52, 0x53
BIND, UNBIND, BINDING_LIST = 0x54, 0x55, 0x56
QUEUE_DECLARE, QUEUE_DESCRIBE, QUEUE_LIST, QUEUE_ALTER = 0x58, 0x59, 0x5A, 0x5B
QUEUE_DELETE, QUEUE_PURGE, QUEUE_PEEK, QUEUE_MOVE, QUEUE_REPLAY = 0x5C, 0x5D, 0x5E, 0x5F, 0x60
PUBLISH, COMMIT = 0x64, 0x65
CONSUME, CONSUMER_ALTER, CONSUMER_CANCEL, GET, SETTLE = 0x68, 0x69, 0x6A, 0x6B, 0x6C
QUEUE_DELIVER, CONSUMER_END = 0x70, 0x71

ACK, REQUEUE, REJECT = 0, 1, 2
PERSISTENT, HAS_ID, HAS_KEY, REDELIVERED = 1, 2, 4, 8

MESSAGE_HEAD = struct.Struct(">BBHHHH2xIIq")
DELIVERY_HEAD = struct.Struct(">QQqqIBBHHHH2xIII")
RANGE = struct.Struct(">QQ")
SETTLEMENT = struct.Struct(">QQB7x")

Message = collections.namedtuple(
    "Message", "exchange routing_key payload headers persistent priority ttl message_id key",
    defaults=(b"", (), True, 0, -1, None, None))
Delivery = collections.namedtuple(
    "Delivery", "consumer tag offset timestamp count redelivered dead_letters message")

def encode_headers(headers):
    """As those of a record, or no bytes for none."""
    if not headers:
        return b""
    parts = [m.encode_varint(len(headers))]
    for name, value in headers:
        name = name.encode()
        parts += [m.encode_varint(len(name)), name]
        parts += [m.encode_varint(-1)] if value is None else [m.encode_varint(len(value)), value]
    return b"".join(parts)

def decode_headers(data):
    if not data:
        return ()
    count, at = m.decode_varint(data, 0)
    headers = []
    for _ in range(count):
        length, at = m.decode_varint(data, at)
        name, at = data[at:at + length].decode(), at + length
        length, at = m.decode_varint(data, at)
        headers.append((name, None if length < 0 else bytes(data[at:at + length])))
        at += max(length, 0)
    if at != len(data):
        raise m.ProtocolError("bytes follow the last header")
    return tuple(headers)

def encode_message(message):
    parts = [message.exchange.encode(), message.routing_key.encode(), (message.message_id or "").encode(),
             message.key or b"", encode_headers(message.headers), message.payload]
    flags = (PERSISTENT * message.persistent | HAS_ID * (message.message_id is not None)
             | HAS_KEY * (message.key is not None))
    head = MESSAGE_HEAD.pack(flags, message.priority, *map(len, parts), message.ttl)
    return head + b"".join(parts)

def decode_deliveries(data, consumer=0):
    """Deliveries back to back."""
    deliveries, at = [], 0
    while at < len(data):
        (tag, offset, timestamp, ttl, count, flags, priority, *lengths) = DELIVERY_HEAD.unpack_from(data, at)
        # Lengths stand in the order of the parts: exchange, routing key, message id, key, headers,
        # dead letters, payload.
        at, parts = at + DELIVERY_HEAD.size, []
        for length in lengths:
            parts.append(bytes(data[at:at + length]))
            at += length
        if at > len(data):
            raise m.ProtocolError("a delivery ends early")
        exchange, routing_key, message_id, key, headers, dead, payload = parts
        message = Message(exchange.decode(), routing_key.decode(), payload, decode_headers(headers),
                          bool(flags & PERSISTENT), priority, ttl,
                          message_id.decode() if flags & HAS_ID else None, key if flags & HAS_KEY else None)
        dead_letters = msgpack.unpackb(dead)["deadLetters"] if dead else []
        deliveries.append(Delivery(consumer, tag, offset, timestamp, count, bool(flags & REDELIVERED),
                                   dead_letters, message))
    return deliveries

def decode_published(body):
    """Targets and error of each message, and the text of the first error."""
    count, = struct.unpack_from(">I", body)
    outcomes = [struct.unpack_from(">HH", body, 4 + 4 * index) for index in range(count)]
    return [(targets, m.ERRORS.get(error, error) or None) for targets, error in outcomes], body[4 + 4 * count:].decode()


class QueueClient(m.Client):
    """Deliveries and ends of consumers wait in `delivered` and `consumer_ends`."""

    def __init__(self, *arguments, **options):
        self.delivered, self.consumer_ends = collections.deque(), collections.deque()
        options.setdefault("features", ["queues"])
        super().__init__(*arguments, handshake=False)
        self.pushes[QUEUE_DELIVER] = lambda channel, consumer, body: self.delivered.extend(
            decode_deliveries(body, consumer))
        self.pushes[CONSUMER_END] = lambda channel, consumer, body: self.consumer_ends.append(msgpack.unpackb(body))
        self.connect(**options)

    def exchange(self, op, exchange, **options):
        return self.control(op, {"exchange": exchange, **options})

    def queue(self, op, queue, **options):
        return self.control(op, {"queue": queue, **options})

    def bind(self, exchange, kind, target, op=BIND, **options):
        return self.control(op, {"exchange": exchange, "targetKind": kind, "target": target, **options})

    def send_publish(self, messages, silent=False):
        body = bytes([silent, 0, 0, 0]) + b"".join(map(encode_message, messages))
        return self.send(PUBLISH, body, answered=not silent)

    def published(self, correlation):
        return decode_published(self.answer(correlation))

    def publish(self, *messages):
        return self.published(self.send_publish(messages))

    def consume(self, consumer, queue, credit=0, **options):
        return self.control(CONSUME, {"consumer": consumer, "queue": queue, "credit": credit, **options})

    def take(self, count):
        """The next so many."""
        self.wait(lambda: len(self.delivered) >= count)
        return [self.delivered.popleft() for _ in range(count)]

    def settle(self, outcome, *ranges, durable=False):
        body = bytes([outcome, durable, 0, 0]) + b"".join(RANGE.pack(*one) for one in ranges)
        return self.request(SETTLE, body)

    def get(self, queue, **options):
        """How many are still ready, and the delivery or None."""
        body = self.request(GET, msgpack.packb({"queue": queue, **options}))
        ready, = struct.unpack_from(">Q", body)
        return ready, next(iter(decode_deliveries(body[8:])), None)

    def peek(self, queue, count):
        return decode_deliveries(self.request(QUEUE_PEEK, msgpack.packb({"queue": queue, "count": count})))

    def commit(self, settlements, messages):
        """Settlements are (first tag, last tag, outcome)."""
        body = struct.pack(">I", len(settlements)) + b"".join(SETTLEMENT.pack(*one) for one in settlements)
        return decode_published(self.request(COMMIT, body + b"".join(map(encode_message, messages))))
