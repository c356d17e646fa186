"""The codec of millrace_client against the bytes and tables printed in docs/protocol.md."""

import pathlib
import re
import struct
import unittest

import msgpack

import millrace_client as m
import millrace_queues as q

DOCUMENT = (pathlib.Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text("utf-8")


def printed(name):
    """The bytes of one ```hex block."""
    block = re.search(r"```hex %s\n(.*?)```" % re.escape(name), DOCUMENT, re.S).group(1)
    return bytes.fromhex(" ".join(line.split(";")[0] for line in block.splitlines()))


RECORD = m.Record(b"k1", b"hello", (("h", b"v"),), 1700000000000, 0)


class Numbers(unittest.TestCase):
    def test_varints(self):
        for number, text in ((0, "00"), (-1, "01"), (1, "02"), (63, "7e"), (-64, "7f"), (64, "80 01"),
                             (300, "d8 04"), (2147483647, "fe ff ff ff 0f")):
            self.assertEqual(m.encode_varint(number), bytes.fromhex(text))
            self.assertEqual(m.decode_varint(bytes.fromhex(text) + b"\x55", 0),
                             (number, len(bytes.fromhex(text))))

    def test_varint_bounds(self):
        for number in (-2**31, 2**31 - 1):
            self.assertEqual(m.decode_varint(m.encode_varint(number), 0), (number, 5))
        for number in (-2**63, 2**63 - 1):
            self.assertEqual(m.decode_varint(m.encode_varint(number), 0, 10), (number, 10))
        for data in (b"\x80", b"\x80" * 5 + b"\x01", b"\xff\xff\xff\xff\x7f"):
            self.assertRaises(m.ProtocolError, m.decode_varint, data, 0)

    def test_crc32c(self):
        self.assertEqual(m.crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(m.crc32c(b""), 0)

    def test_murmur2_table(self):
        rows = re.findall(r"^\| (\S+) +\| (-?\d+) +\| (\d+) +\| (\d) +\|$", DOCUMENT, re.M)
        self.assertEqual(len(rows), 9)
        for key, signed, positive, of_six in rows:
            key = b"" if key == "(empty)" else key.encode()
            self.assertEqual(m.murmur2(key), int(signed) & 0xFFFFFFFF, key)
            self.assertEqual(m.murmur2(key) & 0x7FFFFFFF, int(positive))
            self.assertEqual(m.partition_for(key, 6), int(of_six))


class Batches(unittest.TestCase):
    def test_printed_batch(self):
        self.assertEqual(m.encode_batch([RECORD]), printed("batch"))
        batch = m.decode_batch(printed("batch"))
        self.assertEqual(batch.records, [RECORD])
        self.assertEqual((batch.base_offset, batch.next_offset, batch.epoch), (0, 1, -1))

    def test_round_trip(self):
        records = [
            m.Record(None, None, (), 1000, 0),
            m.Record(b"", b"", (("", None), ("", b"")), 900, 1),
            m.Record("schlüssel".encode(), b"x" * 5000, (("ключ", "値".encode()),) * 3, 2000, 2),
        ]
        batch = m.decode_batch(m.encode_batch(records))
        self.assertEqual(batch.records, records)
        self.assertEqual(batch.max_timestamp, 2000)

    def test_damage(self):
        data = bytearray(m.encode_batch([RECORD]))
        data[-1] ^= 1
        self.assertRaisesRegex(m.ProtocolError, "CRC", m.decode_batch, data)
        self.assertRaisesRegex(m.ProtocolError, "ends early", m.decode_batches, printed("batch")[:-1])

    def test_skips_below_the_start_and_control_marks(self):
        batches = m.decode_batches(m.encode_batch([RECORD, RECORD]) + m.encode_batch([RECORD], 0x20))
        self.assertEqual([record.offset for record in m.visible_records(batches, 1)], [1])

    def test_append_time(self):
        batch = m.decode_batch(m.encode_batch([RECORD, RECORD._replace(timestamp=RECORD.timestamp + 7)], 8))
        self.assertEqual({record.timestamp for record in batch.records}, {RECORD.timestamp + 7})


class Session(unittest.TestCase):
    """Section 16: what the client sends is the printed bytes, what the broker sends is understood."""

    def test_sent(self):
        control = {
            "connect": (m.CONNECT, 0, 1, {
                "magic": "millrace", "versions": [1], "namespace": "/", "mechanism": "ANONYMOUS",
                "client": {"name": "demo", "version": "1.0"}, "features": [], "codecs": ["none"],
                "heartbeatMs": 15000, "frameBytesMax": 262144}),
            "topic-open": (m.TOPIC_OPEN, 0, 2, {"topic": "orders", "create": True}),
            "subscribe": (m.SUBSCRIBE, 2, 5, {
                "subscription": 7, "topic": "orders", "from": "earliest", "credit": 1048576}),
            "topic-describe": (m.TOPIC_DESCRIBE, 0, 8, {"topic": "nowhere"}),
        }
        for name, (op, channel, correlation, body) in control.items():
            self.assertEqual(m.encode_frame(op, channel, correlation, msgpack.packb(body)), printed(name), name)
        produce = m.PRODUCE_HEAD.pack(1, 0, 0) + m.encode_batch([RECORD])
        fetch = m.FETCH_BODY.pack(1, 0, 0, 1 << 20, 1, 500, 0)
        self.assertEqual(m.encode_frame(m.PRODUCE, 0, 3, produce), printed("produce"))
        self.assertEqual(m.encode_frame(m.FETCH, 0, 4, fetch), printed("fetch"))
        self.assertEqual(m.encode_frame(m.CREDIT, 2, 0, struct.pack(">II", 7, 79)), printed("credit"))
        self.assertEqual(m.encode_frame(m.PING, 0, 6), printed("ping"))
        self.assertEqual(m.encode_frame(m.CLOSE, 0, 9), printed("close"))

    def test_received(self):
        for name, op, correlation, body in (
                ("connected", 0x81, 1, {
                    "version": 1, "broker": {"name": "millrace", "version": "0.1.0"}, "node": 1,
                    "authenticated": True, "mechanisms": ["ANONYMOUS"], "features": [], "codecs": ["none"],
                    "heartbeatMs": 15000, "frameBytesMax": 262144, "bodyBytesMax": 16781312,
                    "batchBytesMax": 16777216, "inFlightCountMax": 1024, "autoCreateTopics": True}),
                ("topic-opened", 0x95, 2, {"handle": 1, "topic": "orders", "partitions": 1,
                                           "durability": "persisted", "batchBytesMax": 16777216}),
                ("subscribed", 0xB0, 5, {"subscription": 7, "topic": "orders",
                                         "partitions": [{"partition": 0, "offset": 0}]}),
                ("error", m.ERROR, 8, {"code": 257, "message": "topic 'nowhere' does not exist",
                                       "retriable": False})):
            data = printed(name)
            length, frame_op, flags, _, frame_correlation = m.FRAME_HEAD.unpack_from(data)
            self.assertEqual((length + 4, frame_op, flags, frame_correlation), (len(data), op, 0, correlation))
            self.assertEqual(msgpack.unpackb(data[12:]), body, name)
        self.assertEqual(m.MillraceError(msgpack.unpackb(printed("error")[12:])).code, "ERR_TOPIC_NOT_FOUND")
        self.assertEqual(m.Produced(*m.PRODUCED.unpack_from(printed("produced"), 12)),
                         m.Produced(0, 1, -1, 3, 2))
        self.assertEqual(m.FETCHED_HEAD.unpack_from(printed("fetched"), 12), (1, 0, 1, 3))
        self.assertEqual(m.DELIVER_HEAD.unpack_from(printed("deliver"), 12), (0, 1, 1))
        for name, head in (("fetched", 32), ("deliver", 24)):
            batch, = m.decode_batches(printed(name)[12 + head:])
            self.assertEqual((batch.records, batch.epoch), ([RECORD], 3))

    def test_sizes_of_heads(self):
        for head, size in ((m.FRAME_HEAD, 12), (m.PRODUCE_HEAD, 12), (m.PRODUCED, 32), (m.FETCH_BODY, 32),
                           (m.FETCHED_HEAD, 32), (m.DELIVER_HEAD, 24), (m.BATCH_HEAD, 61)):
            self.assertEqual(head.size, size)

    def test_errors_and_numbers(self):
        rows = re.findall(r"^\| (ERR_\w+) +\| (0x\w{4}) \|", DOCUMENT, re.M)
        self.assertEqual({int(number, 16): name for name, number in rows}, m.ERRORS)


class Queues(unittest.TestCase):
    """Section 19."""

    MESSAGE = q.Message("orders", "eu.new", b"hello", (("h", b"v"),), True, 5, 60000, "m-1", b"k1")

    def test_published(self):
        body = bytes(4) + q.encode_message(self.MESSAGE)
        self.assertEqual(m.encode_frame(q.PUBLISH, 0, 48, body), printed("publish"))

    def test_delivered(self):
        delivery, = q.decode_deliveries(printed("queue-deliver")[12:], 3)
        self.assertEqual(delivery, q.Delivery(3, 7, 42, 1700000000000, 2, True, [], self.MESSAGE))

    def test_sizes_of_heads(self):
        for head, size in ((q.MESSAGE_HEAD, 28), (q.DELIVERY_HEAD, 60), (q.RANGE, 16), (q.SETTLEMENT, 24)):
            self.assertEqual(head.size, size)

    def test_opcodes(self):
        rows = {name: int(number, 16) for number, name in re.findall(r"^\| (0x\w\w) \| ([A-Z_]+) +\|", DOCUMENT, re.M)}
        ours = {name: value for name, value in vars(q).items() if name in rows}
        self.assertEqual(len(ours), 25)
        self.assertEqual({name: rows[name] for name in ours}, ours)


class Continuation(unittest.TestCase):
    def test_split(self):
        body = bytes(range(256)) * 100
        frames = m.split_body(m.PRODUCE, 3, 9, body, 8192)
        self.assertEqual([len(frame) for frame in frames], [8192, 8192, 8192, len(body) + 48 - 3 * 8192])
        self.assertEqual(b"".join(frame[12:] for frame in frames), body)
        self.assertEqual([frame[5] for frame in frames], [1, 1, 1, 0])

    def test_exact_fit_is_one_frame(self):
        frames = m.split_body(m.PRODUCE, 0, 1, bytes(8180), 8192)
        self.assertEqual([frame[5] for frame in frames], [0])
        self.assertEqual(len(m.split_body(m.CLOSE, 0, 1, b"", 8192)), 1)


if __name__ == "__main__":
    unittest.main()
