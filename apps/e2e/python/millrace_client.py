"""A small client of Millrace's native protocol, version 1, written from docs/protocol.md alone.

Blocking and single-threaded. Heartbeats are sent and answered while a method waits, so a
program with nothing to do calls `idle`. Section numbers (§) are those of the document.
"""

import collections, select, socket, struct, time

import msgpack

CONNECT, AUTHENTICATE, PING, GO_AWAY, CLOSE = 0x01, 0x02, 0x03, 0x04, 0x05
TOPIC_CREATE, TOPIC_LIST, TOPIC_DESCRIBE = 0x10, 0x11, 0x12
TOPIC_ALTER, TOPIC_DELETE, TOPIC_OPEN, TOPIC_TRUNCATE = 0x13, 0x14, 0x15, 0x16
PRODUCE, FETCH, LIST_OFFSETS = 0x20, 0x21, 0x22
INIT_PRODUCER, RECORDS_DELETE = 0x23, 0x24
SUBSCRIBE, UNSUBSCRIBE, CREDIT, DELIVER, SUBSCRIPTION_END = 0x30, 0x31, 0x32, 0x33, 0x34
ERROR, ANSWER, MORE = 0x7F, 0x80, 0x01

FRAME_HEAD = struct.Struct(">IBBHI")
PRODUCE_HEAD = struct.Struct(">IIB3x")
PRODUCED = struct.Struct(">QQqIB3x")
FETCH_BODY = struct.Struct(">IIQIIIB3x")
FETCHED_HEAD = struct.Struct(">QQQI4x")
DELIVER_HEAD = struct.Struct(">I4xQQ")
BATCH_HEAD = struct.Struct(">qiibIhiqqqhii")
FRAME_BYTES_BEFORE_CONNECTED = 8192

ERRORS = {  # §11; the numbers of each group follow one another
    first + index: "ERR_" + name for first, names in (
        (0x0001, "MALFORMED_FRAME UNEXPECTED_FRAME FRAME_TOO_LARGE UNKNOWN_OPCODE UNSUPPORTED_VERSION "
                 "HEARTBEAT_TIMEOUT HANDSHAKE_TIMEOUT GOING_AWAY MALFORMED_BODY BODY_TOO_LARGE"),
        (0x0101, "TOPIC_NOT_FOUND TOPIC_EXISTS INVALID_NAME INVALID_ARGUMENT PARTITION_NOT_FOUND "
                 "OFFSET_OUT_OF_RANGE STALE_HANDLE REVISION_CONFLICT INVALID_BATCH BATCH_CHECKSUM "
                 "BATCH_TOO_LARGE UNSUPPORTED_CODEC UNSUPPORTED_DURABILITY SUBSCRIPTION_NOT_FOUND "
                 "SUBSCRIPTION_EXISTS TOPIC_DELETED NAMESPACE_NOT_FOUND UNSUPPORTED_FEATURE "
                 "OUT_OF_SEQUENCE PRODUCER_FENCED UNKNOWN_PRODUCER DUPLICATE_SEQUENCE "
                 "QUEUE_NOT_FOUND QUEUE_EXISTS QUEUE_LOCKED QUEUE_IN_USE QUEUE_NOT_EMPTY QUEUE_DELETED "
                 "EXCHANGE_NOT_FOUND EXCHANGE_EXISTS EXCHANGE_IN_USE RESERVED_NAME UNKNOWN_DELIVERY "
                 "MESSAGE_REFUSED DELIVERY_TIMEOUT CONSUMER_NOT_FOUND CONSUMER_EXISTS"),
        (0x0201, "STORAGE_FULL STORAGE_FAILED DATA_CORRUPT"),
        (0x0301, "AUTHENTICATION_FAILED UNSUPPORTED_MECHANISM NOT_AUTHENTICATED NOT_AUTHORIZED "
                 "USER_NOT_FOUND USER_EXISTS CREDENTIALS_EXPIRED LOGIN_DELAYED"),
        (0x0401, "BUSY LIMIT_EXCEEDED CONNECTION_LIMIT TIMED_OUT SLOW_CONSUMER QUOTA_EXCEEDED"),
        (0x0F01, "INTERNAL"),
    ) for index, name in enumerate(names.split())
}

class MillraceError(Exception):
    """An ERROR frame."""
    def __init__(self, body, correlation=0):
        self.number = body["code"]
        self.code = ERRORS.get(self.number, "0x%04x" % self.number)
        self.retriable = body.get("retriable") or False
        self.correlation = correlation
        super().__init__("%s: %s" % (self.code, body.get("message") or ""))

class ProtocolError(Exception):
    """The peer broke the protocol."""

class ConnectionLost(Exception):
    """The connection ended; `error` is the ERROR about the connection, if one came."""
    def __init__(self, reason, error=None):
        self.error = error
        super().__init__("%s (%s)" % (reason, error) if error else reason)

# --- the record batch, §12 -------------------------------------------------------------------

Record = collections.namedtuple("Record", "key value headers timestamp offset", defaults=((), 0, 0))
Batch = collections.namedtuple("Batch", "base_offset next_offset epoch attributes max_timestamp records raw")
Produced = collections.namedtuple("Produced", "base_offset next_offset append_timestamp epoch durability")
Fetched = collections.namedtuple("Fetched", "high_watermark earliest next_offset epoch records batches")
Delivery = collections.namedtuple(
    "Delivery", "subscription partition high_watermark next_offset records batches cost channel")

def _crc_row(value):
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value

CRC_TABLE = tuple(map(_crc_row, range(256)))

def crc32c(data):
    crc, table = 0xFFFFFFFF, CRC_TABLE
    for byte in bytes(data):
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF

def encode_varint(number):
    """A zigzag varint; a varlong is written the same way."""
    number = 2 * number if number >= 0 else -2 * number - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)

def decode_varint(data, at, bytes_max=5):
    """Returns the number and the position behind it; a varlong has up to 10 bytes."""
    number = 0
    for index, byte in enumerate(data[at:at + bytes_max]):
        number |= (byte & 0x7F) << 7 * index
        if not byte & 0x80 and not number >> (32 if bytes_max == 5 else 64):
            return (number >> 1) ^ -(number & 1), at + index + 1
    raise ProtocolError("a varint is too long or ends early")

def _encode_bytes(value):
    return encode_varint(-1) if value is None else encode_varint(len(value)) + value

def _decode_bytes(data, at, nullable=True):
    length, at = decode_varint(data, at)
    if length == -1 and nullable:
        return None, at
    if length < 0 or at + length > len(data):
        raise ProtocolError("a length of %d does not fit" % length)
    return bytes(data[at:at + length]), at + length

def encode_record(record, base_timestamp, offset_delta):
    parts = [b"\0", encode_varint(record.timestamp - base_timestamp), encode_varint(offset_delta),
             _encode_bytes(record.key), _encode_bytes(record.value), encode_varint(len(record.headers))]
    for key, value in record.headers:
        parts += [_encode_bytes(key.encode()), _encode_bytes(value)]
    body = b"".join(parts)
    return encode_varint(len(body)) + body

def encode_batch(records, attributes=0, producer_id=-1, producer_epoch=-1, base_sequence=-1):
    base = records[0].timestamp
    encoded = [encode_record(record, base, delta) for delta, record in enumerate(records)]
    covered = struct.pack(">hiqqqhii", attributes, len(records) - 1, base,
                          max(record.timestamp for record in records),
                          producer_id, producer_epoch, base_sequence, len(records)) + b"".join(encoded)
    return struct.pack(">qiibI", 0, len(covered) + 9, -1, 2, crc32c(covered)) + covered

def decode_batch(data):
    """One whole batch, checked."""
    (base, length, epoch, magic, crc, attributes, last_delta, base_timestamp, max_timestamp,
     _, _, _, count) = BATCH_HEAD.unpack_from(data)
    if magic != 2 or length + 12 != len(data) or attributes & 7:
        raise ProtocolError("the batch at offset %d cannot be read" % base)
    if crc32c(data[21:]) != crc:
        raise ProtocolError("the batch at offset %d fails its CRC-32C" % base)
    records, at = [], BATCH_HEAD.size
    for _ in range(count):
        length, at = decode_varint(data, at)
        end = at + length
        timestamp_delta, at = decode_varint(data, at + 1, 10)
        offset_delta, at = decode_varint(data, at)
        key, at = _decode_bytes(data, at)
        value, at = _decode_bytes(data, at)
        header_count, at = decode_varint(data, at)
        headers = []
        for _ in range(header_count):
            name, at = _decode_bytes(data, at, nullable=False)
            header, at = _decode_bytes(data, at)
            headers.append((name.decode(), header))
        if at != end:
            raise ProtocolError("a record has another length than it says")
        timestamp = max_timestamp if attributes & 8 else base_timestamp + timestamp_delta
        records.append(Record(key, value, tuple(headers), timestamp, base + offset_delta))
    if at != len(data):
        raise ProtocolError("bytes follow the last record")
    return Batch(base, base + last_delta + 1, epoch, attributes, max_timestamp, records, bytes(data))

def decode_batches(data):
    """Batches back to back."""
    batches, at = [], 0
    while at < len(data):
        size = 12 + int.from_bytes(data[at + 8:at + 12], "big")
        if size < BATCH_HEAD.size or at + size > len(data):
            raise ProtocolError("a batch ends early")
        batches.append(decode_batch(data[at:at + size]))
        at += size
    return batches

def visible_records(batches, start):
    """The records a reader sees: none below where it asked to start, no control marks."""
    return [record for batch in batches if not batch.attributes & 0x20
            for record in batch.records if record.offset >= start]

# --- keys and partitions, §13 ----------------------------------------------------------------

def murmur2(key):
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(key)
    whole = len(key) & ~3
    for (k,) in struct.iter_unpack("<I", key[:whole]):
        k = k * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = key[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15

def partition_for(key, partitions):
    return (murmur2(key) & 0x7FFFFFFF) % partitions

# --- the connection --------------------------------------------------------------------------

def encode_frame(op, channel, correlation, body=b"", flags=0):
    return FRAME_HEAD.pack(8 + len(body), op, flags, channel, correlation) + body

def split_body(op, channel, correlation, body, frame_bytes_max):
    """The frames of a body, continued where it does not fit one."""
    room = frame_bytes_max - FRAME_HEAD.size
    view, frames = memoryview(body), []
    while len(view) > room:
        frames.append(encode_frame(op, channel, correlation, view[:room], MORE))
        view = view[room:]
    return frames + [encode_frame(op, channel, correlation, view)]

class Client:
    """One connection. `handshake=False` leaves the CONNECT to the caller."""

    def __init__(self, host, port, timeout=10.0, handshake=True, **options):
        self.timeout = timeout
        self.settings = {}  # the body of CONNECTED
        self.go_away = self.fatal = None  # the body of GO_AWAY, the ERROR about the connection
        self.pings = self.frame_bytes_seen = 0  # heartbeats of the broker, its largest frame
        self.frame_bytes_max = FRAME_BYTES_BEFORE_CONNECTED
        self.answers = {}  # correlation: (op, body), in order of arrival
        self.deliveries, self.ends = collections.deque(), collections.deque()  # the pushes
        self.pushes = {}  # op: what is done with (channel, correlation, body) of another push
        self._pending = {}  # correlation: op
        self._positions = {}  # (subscription, partition): the offset that comes next
        self._parts = {}  # (op, channel, correlation): bytes so far
        self._heartbeat = self._correlation = 0
        self._in, self._out = bytearray(), collections.deque()  # bytes, whole frames
        self._partial = memoryview(b"")  # what is left of the frame being sent
        self._socket = socket.create_connection((host, port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._last_sent = self._last_received = time.monotonic()
        if handshake:
            self.connect(**options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    # Requests

    def connect(self, **options):
        """CONNECT (§6); options are its keys, as the document spells them."""
        body = {"magic": "millrace", "versions": [1], "client": {"name": "stranger", "version": "1"}}
        body.update(options)
        answer = self.settings = self.control(CONNECT, body)
        self.frame_bytes_max = answer["frameBytesMax"]
        self._heartbeat = answer["heartbeatMs"] / 1000
        return answer

    def control(self, op, body, timeout=None, channel=0):
        return msgpack.unpackb(self.request(op, msgpack.packb(body), timeout, channel))

    def topic(self, op, topic, **options):
        """TOPIC_CREATE, _DESCRIBE, _ALTER, _DELETE or _OPEN (§7); options are keys of the body."""
        return self.control(op, {"topic": topic, **options})

    def send_produce(self, handle, partition, batch, durability=0, channel=0):
        """Sends an encoded batch and returns its correlation, for `produced`."""
        return self.send(PRODUCE, PRODUCE_HEAD.pack(handle, partition, durability) + batch, channel,
                         answered=durability != 255)

    def produced(self, correlation, timeout=None):
        return Produced(*PRODUCED.unpack_from(self.answer(correlation, timeout)))

    def produce(self, handle, partition, records, durability=0):
        return self.produced(self.send_produce(handle, partition, encode_batch(records), durability))

    def send_fetch(self, handle, partition, offset, max_bytes=1 << 20, min_bytes=1, max_wait_ms=0, flags=0):
        return self.send(FETCH, FETCH_BODY.pack(
            handle, partition, offset, max_bytes, min_bytes, max_wait_ms, flags))

    def fetched(self, correlation, offset, timeout=None):
        body = self.answer(correlation, timeout)
        batches = decode_batches(body[FETCHED_HEAD.size:])
        return Fetched(*FETCHED_HEAD.unpack_from(body), visible_records(batches, offset), batches)

    def fetch(self, handle, partition, offset, max_wait_ms=0, **options):
        correlation = self.send_fetch(handle, partition, offset, max_wait_ms=max_wait_ms, **options)
        return self.fetched(correlation, offset, self.timeout + max_wait_ms / 1000)

    def init_producer(self):
        """A number for an idempotent producer, and its epoch (§8)."""
        answer = self.control(INIT_PRODUCER, {})
        return answer["producer"], answer["epoch"]

    def delete_records(self, topic, before):
        """`before` by partition; returns the first offset kept, by partition (§7)."""
        partitions = [{"partition": partition, "before": offset} for partition, offset in before.items()]
        answer = self.control(RECORDS_DELETE, {"topic": topic, "partitions": partitions})
        return {one["partition"]: one["earliest"] for one in answer["partitions"]}

    def truncate(self, topic, partition, start):
        return self.control(TOPIC_TRUNCATE, {"topic": topic, "partition": partition, "from": start})["next"]

    def list_offsets(self, topic, at, **options):
        return self.control(LIST_OFFSETS, {"topic": topic, "at": at, **options})["offsets"]

    def subscribe(self, subscription, topic, start, credit, channel=0, **options):
        return self.control(SUBSCRIBE, {"subscription": subscription, "topic": topic, "from": start,
                                        "credit": credit, **options}, channel=channel)

    def next_delivery(self, timeout=None):
        """The next DELIVER, or TimeoutError. The caller gives its cost back with `credit`."""
        self.wait(lambda: self.deliveries, timeout)
        return self.deliveries.popleft()

    def credit(self, subscription, byte_count, channel=0):
        self._queue(encode_frame(CREDIT, channel, 0, struct.pack(">II", subscription, byte_count)))

    def close(self, timeout=None):
        """CLOSE, then everything until the broker has ended the connection."""
        self.request(CLOSE, b"", timeout)
        self.wait_for_end(timeout)

    def wait_for_end(self, timeout=None):
        """Waits until the broker has ended the connection; returns its ERROR, if one came."""
        try:
            self.wait(lambda: False, timeout)
        except ConnectionLost as lost:
            return lost.error

    # Sending and waiting

    def send(self, op, body=b"", channel=0, answered=True):
        """Sends a request and returns its correlation."""
        self._correlation = self._correlation % 0xFFFFFFFF + 1
        correlation = self._correlation
        if answered:
            self._pending[correlation] = op
        for frame in split_body(op, channel, correlation, body, self.frame_bytes_max):
            self._queue(frame)
        return correlation

    def send_raw(self, data, correlation=None, op=0):
        """Bytes as they are; `correlation` and `op` name a request whose answer is awaited."""
        if correlation is not None:
            self._pending[correlation] = op
        self._queue(data)

    def request(self, op, body=b"", timeout=None, channel=0):
        return self.answer(self.send(op, body, channel), timeout)

    def answer(self, correlation, timeout=None):
        """The body that answers a request; an ERROR is raised."""
        self.wait(lambda: correlation in self.answers, timeout)
        op, body = self.answers.pop(correlation)
        if op == ERROR:
            raise MillraceError(msgpack.unpackb(body), correlation)
        return body

    def idle(self, seconds):
        """Lives for a while: sends and answers heartbeats, keeps what comes."""
        try:
            self.wait(lambda: False, seconds)
        except TimeoutError:
            pass

    def wait(self, ready, timeout=None):
        """Sends and receives until `ready()`, or TimeoutError."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not ready():
            last = time.monotonic() >= deadline
            self._step(deadline)
            if last and not ready():
                raise TimeoutError("nothing came in time")

    def _queue(self, frame):
        self._out.append(frame)
        if len(self._out) == 1 and not self._partial:
            self._write()

    def _step(self, deadline):
        """Sends what can be sent and reads what is there, waiting for either (§4)."""
        now = time.monotonic()
        until = deadline
        if self._heartbeat:
            if now - self._last_sent >= self._heartbeat / 2 and not self._out:
                self.send(PING, answered=False)
            until = min(until, now + self._heartbeat / 2)
        writers = [self._socket] if self._out or self._partial else []
        readable, writable, _ = select.select([self._socket], writers, [], max(0.0, until - now))
        if writable:
            self._write()
        if readable:
            self._read()
        elif self._heartbeat and time.monotonic() - self._last_received > 2 * self._heartbeat:
            raise ConnectionLost("the broker is silent", self.fatal)

    def _write(self):
        try:
            while self._partial or self._out:
                if not self._partial:
                    self._partial = memoryview(self._out.popleft())
                sent = self._socket.send(self._partial)
                self._partial = self._partial[sent:]
                self._last_sent = time.monotonic()
        except BlockingIOError:
            pass
        except OSError:  # what the broker said before it closed is still to be read
            self._partial = memoryview(b"")
            self._out.clear()

    def _read(self):
        try:
            data = self._socket.recv(1 << 20)
        except OSError as problem:
            raise ConnectionLost(str(problem), self.fatal) from None
        if not data:
            raise ConnectionLost("the broker closed the connection", self.fatal)
        self._last_received = time.monotonic()
        self._in += data
        at = 0
        while len(self._in) - at >= 4:
            size = 4 + int.from_bytes(self._in[at:at + 4], "big")
            if not FRAME_HEAD.size <= size <= self.frame_bytes_max:
                raise ProtocolError("the broker sent a frame of %d bytes" % size)
            if len(self._in) - at < size:
                break
            _, op, flags, channel, correlation = FRAME_HEAD.unpack_from(self._in, at)
            body = bytes(self._in[at + FRAME_HEAD.size:at + size])
            at += size
            self.frame_bytes_seen = max(self.frame_bytes_seen, size)
            self._frame(op, flags, channel, correlation, body)
        del self._in[:at]

    def _frame(self, op, flags, channel, correlation, part):
        key, body = (op, channel, correlation), part
        if flags & MORE or key in self._parts:
            body = self._parts.setdefault(key, bytearray())
            body += part
            if len(body) > self.settings.get("bodyBytesMax", 0) or len(self._parts) > 16:
                raise ProtocolError("the broker sent too much of unfinished bodies")
            if flags & MORE:
                return
            del self._parts[key]
        if op == PING:  # before all that waits, but not inside a frame
            self.pings += 1
            self._out.appendleft(encode_frame(PING | ANSWER, channel, correlation, body))
        elif op == DELIVER:
            self._deliver(channel, correlation, body)
        elif op == SUBSCRIPTION_END:
            self.ends.append(msgpack.unpackb(body))
        elif op in self.pushes:
            self.pushes[op](channel, correlation, body)
        elif op == GO_AWAY:
            self.go_away = msgpack.unpackb(body)
        elif op == ERROR and correlation == 0:
            self.fatal = MillraceError(msgpack.unpackb(body))
        elif op & ANSWER or op == ERROR:
            request = self._pending.pop(correlation, None)
            if request is None:
                return
            if op not in (ERROR, request | ANSWER):
                raise ProtocolError("0x%02x does not answer 0x%02x" % (op, request))
            if request == SUBSCRIBE and op != ERROR:
                answer = msgpack.unpackb(body)
                for start in answer["partitions"]:
                    self._positions[answer["subscription"], start["partition"]] = start["offset"]
            self.answers[correlation] = (op, body)

    def _deliver(self, channel, subscription, body):
        partition, high_watermark, next_offset = DELIVER_HEAD.unpack_from(body)
        batches = decode_batches(body[DELIVER_HEAD.size:])
        records = visible_records(batches, self._positions.get((subscription, partition), 0))
        self._positions[subscription, partition] = next_offset
        self.deliveries.append(Delivery(subscription, partition, high_watermark, next_offset, records,
                                        batches, len(body) - DELIVER_HEAD.size, channel))
