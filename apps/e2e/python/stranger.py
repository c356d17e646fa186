"""A self-checking session against a live broker: python3 stranger.py HOST PORT [--verbose]

Prints one line of JSON and exits with 0 when every check passed, 1 otherwise. Everything it
expects is read from docs/protocol.md; what that document leaves open is not checked but noted,
and --verbose prints the notes on stderr.
"""

import json
import socket
import struct
import sys
import time
import traceback

import msgpack

import millrace_client as m
import stranger_queues
from millrace_client import Client, Record

T0 = 1_700_000_000_000
WAIT = 10.0  # for an answer
SHORT = 0.2  # for something that must not come


class Report:
    def __init__(self, verbose):
        self.passed, self.failures, self.verbose = 0, [], verbose
        self.scenario = ""

    def check(self, name, condition, detail=""):
        if condition:
            self.passed += 1
        else:
            self.failures.append("%s: %s%s" % (self.scenario, name, " (%s)" % (detail,) if detail != "" else ""))
        return condition

    def equal(self, name, actual, expected):
        return self.check(name, actual == expected, "%.300r instead of %.300r" % (actual, expected))

    def error(self, name, codes, action):
        """The action must fail with one of these errors."""
        codes = codes.split()
        try:
            result = action()
        except m.MillraceError as error:
            self.check(name, error.code in codes, "%s instead of %s" % (error, " or ".join(codes)))
            if len(codes) > 1:
                self.note(name, error)
            return error
        self.check(name, False, "no error but %.200r" % (result,))

    def note(self, name, text):
        if self.verbose:
            print("note: %s: %s: %s" % (self.scenario, name, text), file=sys.stderr)

    def outcome(self, name, action):
        """Notes what an action the document leaves open comes to."""
        try:
            result = action()
            self.note(name, "accepted: %.200r" % (result,))
            return result
        except (m.MillraceError, m.ConnectionLost, TimeoutError) as error:
            self.note(name, error)


class Watcher(Client):
    """Sends no heartbeats, notes each frame that comes, and answers no PING once it is `mute`."""

    mute = False

    def __init__(self, *arguments, **options):
        self.seen = []  # (time, op, correlation)
        super().__init__(*arguments, **options)
        self._heartbeat = 0
        self.started = time.monotonic()

    def _frame(self, op, flags, channel, correlation, part):
        self.seen.append((time.monotonic(), op, correlation))
        if not (self.mute and op == m.PING):
            super()._frame(op, flags, channel, correlation, part)


class Stranger:
    def __init__(self, host, port, report):
        self.host, self.port, self.report = host, port, report
        self.prefix = "stranger-%d-" % time.time_ns()
        self.topics = []

    def client(self, **options):
        return Client(self.host, self.port, WAIT, **options)

    def topic(self, client, suffix, **options):
        name = self.prefix + suffix
        description = client.topic(m.TOPIC_CREATE, name, **options)
        self.topics.append(name)
        return name, description

    def opened(self, client, suffix, **options):
        name, _ = self.topic(client, suffix, **options)
        return name, client.topic(m.TOPIC_OPEN, name)["handle"]

    def usable(self, client):
        self.report.equal("the connection goes on", client.request(m.PING, b"still there"), b"still there")

    def ends_with(self, name, client, codes, must_say=True, timeout=3):
        """The broker must close, and say why where the bytes of the ERROR can still arrive."""
        try:
            error = client.wait_for_end(timeout)
        except TimeoutError:
            self.report.check(name + " closes", False, "still open; answers %r" % client.answers)
            return None
        found = [error] if error else []
        found += [m.MillraceError(msgpack.unpackb(body), correlation)
                  for correlation, (op, body) in client.answers.items() if op == m.ERROR]
        codes = codes.split()
        said = [item.code for item in found]
        ok = bool(said) and said[0] in codes and len(said) == 1
        self.report.check(name, ok or not (said or must_say), "%r instead of %r" % (said, codes))
        if found:
            self.report.note(name, "%s, correlation %d" % (found[0], found[0].correlation))
        else:
            self.report.note(name, "closed without an ERROR")
        return found[0] if found else None

    def run(self):
        with self.client(handshake=False) as silent, self.client(handshake=False) as slow:
            slow.send_raw(m.encode_frame(m.CONNECT, 0, 1, msgpack.packb({"magic": "millrace"}))[:-3])
            started = time.monotonic()
            for scenario in (
                    handshake, refused_handshakes, first_frames, liveness, topics, names_and_bodies, produce_and_fetch,
                    idempotence, removal,
                    append_time, many_topics, large_values, continuation, produce_order, produce_modes, refused_batches, long_poll,
                    fetch_limits, offsets, subscriptions, subscription_starts, subscription_ends, handles,
                    busy, frames_that_close, closing, *stranger_queues.SCENARIOS):
                self.scenario(scenario)
            self.scenario(lambda stranger: handshake_timeout(stranger, silent, slow, started), "handshake_timeout")
        self.scenario(clean_up)

    def scenario(self, function, name=None):
        self.report.scenario = name or function.__name__
        started = time.monotonic()
        try:
            function(self)
        except Exception as problem:
            where = traceback.extract_tb(problem.__traceback__)
            line = [frame.lineno for frame in where if frame.filename.endswith("stranger.py")][-1]
            self.report.check("runs through", False, "line %d: %s: %s" % (line, type(problem).__name__, problem))
        self.report.note("took", "%.2f s" % (time.monotonic() - started))


# --- connecting ------------------------------------------------------------------------------

def handshake(stranger):
    report = stranger.report
    with stranger.client() as client:
        settings = client.settings
        for key, kind in (("version", int), ("authenticated", bool), ("heartbeatMs", int), ("frameBytesMax", int),
                          ("bodyBytesMax", int), ("batchBytesMax", int), ("inFlightCountMax", int)):
            report.check("CONNECTED has " + key, isinstance(settings.get(key), kind), settings)
        report.equal("version", settings["version"], 1)
        report.equal("authenticated", settings["authenticated"], True)
        report.check("heartbeat at most the default wish", settings["heartbeatMs"] <= 15000)
        report.check("frame at most the default wish", 8192 <= settings["frameBytesMax"] <= 262144)
        report.check("at least one request in flight", settings["inFlightCountMax"] >= 1)
        report.check("none of the codecs is unknown",
                     set(settings.get("codecs", ["none"])) <= {"none", "gzip", "snappy", "lz4", "zstd"})
        report.note("settings", settings)
    for wish, low, high in ((8192, 8192, 8192), (1 << 20, 8192, 1 << 20), (0xFFFFFFFF, 8192, 1 << 20)):
        with stranger.client(frameBytesMax=wish) as client:
            report.check("frameBytesMax for %d" % wish, low <= client.frame_bytes_max <= high, client.frame_bytes_max)
    for wish in (0, 1000, 0xFFFFFFFF):
        with stranger.client(heartbeatMs=wish) as client:
            got = client.settings["heartbeatMs"]
            report.check("heartbeatMs for %d" % wish, got == 0 or 1000 <= got <= min(wish, 3600000), got)
    with stranger.client(heartbeatMs=7) as client:
        report.check("a heartbeat below the least is moved to it", client.settings["heartbeatMs"] in (0, 1000),
                     client.settings["heartbeatMs"])
    with stranger.client(versions=[7, 1, 99], features=["time-travel"], codecs=None, namespace=None, mechanism=None,
                         client={"name": None}, heartbeatMs=None, frameBytesMax=262144.0, tomorrow={"a": [1]}) as client:
        report.equal("unknown keys, nil and float64 are taken", client.settings["version"], 1)
        report.equal("an unknown feature is not in force", client.settings.get("features", []), [])
        client.request(m.PING)


def refused_handshakes(stranger):
    cases = (
        ("no common version", {"versions": [2, 99]}, "ERR_UNSUPPORTED_VERSION"),
        ("no version", {"versions": []}, "ERR_UNSUPPORTED_VERSION ERR_MALFORMED_BODY"),
        ("namespace", {"namespace": "/nowhere-" + stranger.prefix}, "ERR_NAMESPACE_NOT_FOUND"),
        ("mechanism", {"mechanism": "TELEPATHY"}, "ERR_UNSUPPORTED_MECHANISM"),
    )
    for name, options, codes in cases:
        with stranger.client(handshake=False) as client:
            body = {"magic": "millrace", "versions": [1], **options}
            client.send(m.CONNECT, msgpack.packb(body))
            error = stranger.ends_with(name, client, codes)
            stranger.report.check(name + " answers the CONNECT", error is not None and error.correlation == 1)
    for name, options in (("magic", {"magic": "mill"}), ("no magic", {"magic": None}), ("versions", {"versions": 1}),
                          ("frameBytesMax below 8192", {"frameBytesMax": 8191}),
                          ("heartbeatMs negative", {"heartbeatMs": -1})):
        with stranger.client(handshake=False) as client:
            error = stranger.report.error(name, "ERR_MALFORMED_BODY", lambda: client.connect(**options))
            if error:
                stranger.report.check(name + " answers the CONNECT", error.correlation == 1)
                client.wait_for_end(3)


def first_frames(stranger):
    """What comes before CONNECTED."""
    head = m.encode_frame
    connect = msgpack.packb({"magic": "millrace", "versions": [1]})
    cases = (
        ("PING first", head(m.PING, 0, 1, b"x"), "ERR_UNEXPECTED_FRAME"),
        ("TOPIC_LIST first", head(m.TOPIC_LIST, 0, 1, b"\x80"), "ERR_UNEXPECTED_FRAME"),
        ("unknown opcode first", head(0x66, 0, 1), "ERR_UNEXPECTED_FRAME"),
        ("CONNECT with correlation 0", head(m.CONNECT, 0, 0, connect), "ERR_MALFORMED_FRAME"),
        ("CONNECT in parts", head(m.CONNECT, 0, 1, connect[:9], m.MORE) + head(m.CONNECT, 0, 1, connect[9:]),
         "ERR_MALFORMED_FRAME"),
        ("oversized", struct.pack(">IBBHI", 8189, m.CONNECT, 0, 0, 1), "ERR_FRAME_TOO_LARGE"),
        ("oversized, four bytes", struct.pack(">I", 8189), "ERR_FRAME_TOO_LARGE"),
        ("too short", struct.pack(">IBBH", 7, m.CONNECT, 0, 0), "ERR_MALFORMED_FRAME"),
        ("TLS", bytes.fromhex("16030100c8010000c40303") + bytes(40), "ERR_MALFORMED_FRAME"),
        ("AMQP", b"AMQP\x00\x00\x09\x01", "ERR_MALFORMED_FRAME"),
        ("garbage", b"\xde\xad\xbe\xef" * 8, "ERR_FRAME_TOO_LARGE ERR_MALFORMED_FRAME"),
    )
    for name, data, codes in cases:
        with stranger.client(handshake=False) as client:
            client.send_raw(data, 1, m.CONNECT)
            stranger.ends_with(name, client, codes)
    with socket.create_connection((stranger.host, stranger.port), WAIT) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: plain.recv(4096), b""))
        stranger.report.check("HTTP is answered in HTTP", answer.startswith(b"HTTP/1.1 400 "), repr(answer[:80]))
    with stranger.client(handshake=False) as client:
        padded = msgpack.packb({"magic": "millrace", "versions": [1], "padding": "x" * 8000})
        frame = m.encode_frame(m.CONNECT, 0, 1, padded)
        client.send_raw(frame, 1, m.CONNECT)
        client.answer(1)
        stranger.report.check("a CONNECT of %d bytes is taken" % len(frame), True)
    with stranger.client(handshake=False) as client:
        client.send_raw(m.encode_frame(m.CONNECT, 513, 0xFFFFFFFF, connect, 0xFE), 0xFFFFFFFF, m.CONNECT)
        client.answer(0xFFFFFFFF)
        stranger.report.check("unused flags are ignored, channel and correlation are free", True)


def liveness(stranger):
    report = stranger.report
    with stranger.client() as client:
        for body in (b"", b"echo", bytes(range(64))):
            report.equal("PONG of %d bytes" % len(body), client.request(m.PING, body, channel=9), body)
        report.error("PING of 65 bytes", "ERR_MALFORMED_BODY", lambda: client.request(m.PING, bytes(65)))
        client.send_raw(m.encode_frame(m.PING | m.ANSWER, 0, 12345, bytes(65)))
        stranger.usable(client)
        report.error("unknown opcode", "ERR_UNKNOWN_OPCODE", lambda: client.request(0x66, b"what"))
        report.equal("AUTHENTICATE once authenticated renews the credentials",
                     client.control(m.AUTHENTICATE, {"response": b""})["authenticated"], True)
        stranger.usable(client)
    for wish in (1000, 1600):
        with Watcher(stranger.host, stranger.port, WAIT, heartbeatMs=wish) as client:
            beat = client.settings["heartbeatMs"] / 1000
            if beat:
                client.idle(4 * beat + 0.1)
                times = [client.started] + [one[0] for one in client.seen[1:]] + [time.monotonic()]
                gap = max(after - before for before, after in zip(times, times[1:]))
                report.check("a client that only answers hears a heartbeat of %d ms in time" % wish, gap <= beat,
                             "silent for %.3f s" % gap)
                report.check("the broker asks with PING of a correlation that is not 0", client.pings > 0 and all(
                    correlation for _, op, correlation in client.seen if op == m.PING), client.seen)
                client.send(m.PING)
                client.mute, started = True, time.monotonic()
                stranger.ends_with("silence", client, "ERR_HEARTBEAT_TIMEOUT", timeout=5)
                silent = time.monotonic() - started
                report.check("a silent client is closed after 2 to 2.5 heartbeats", 1.99 * beat < silent < 2.5 * beat + 0.1,
                             silent)
                report.note("silence of 2 x %.1f s was noticed after" % beat, "%.2f s" % (time.monotonic() - started))
    with stranger.client(heartbeatMs=1000) as client:
        client.idle(2.6)
        stranger.usable(client)


def handshake_timeout(stranger, silent, slow, started):
    stranger.ends_with("nothing sent", silent, "ERR_HANDSHAKE_TIMEOUT", False, 12)
    stranger.ends_with("half a CONNECT", slow, "ERR_HANDSHAKE_TIMEOUT", False, 12)
    # The time between is spent on the other scenarios, so only a bound from above can be checked.
    stranger.report.note("closed by", "%.1f s" % (time.monotonic() - started))


# --- topics ----------------------------------------------------------------------------------

def topics(stranger):
    report = stranger.report
    with stranger.client() as client:
        name, description = stranger.topic(client, "admin", partitions=3, settings={"durability": "memory", "segmentMs": 60000})
        report.equal("name", description["topic"], name)
        report.equal("partitions", [one["partition"] for one in description["partitions"]], [0, 1, 2])
        for one in description["partitions"]:
            report.check("an empty partition", one["earliest"] == one["next"] == one["highWatermark"] == 0
                         and {"epoch", "bytes"} <= one.keys(), one)
        report.equal("a setting of the request", description["settings"]["durability"], "memory")
        report.check("every setting is there", {"durability", "segmentBytes", "segmentMs", "timestampType",
                                                "batchBytesMax"} <= description["settings"].keys(), description["settings"])
        report.check("createdAt", abs(description["createdAt"] - time.time() * 1000) < 60000)
        report.equal("describe", client.topic(m.TOPIC_DESCRIBE, name), description)
        report.error("create again", "ERR_TOPIC_EXISTS", lambda: client.topic(m.TOPIC_CREATE, name))
        same = client.topic(m.TOPIC_CREATE, name, partitions=9, ifNotExists=True)
        report.equal("ifNotExists describes the topic as it is", same, description)
        for setting, value in (("nonsense", 1), ("durability", "eternal"), ("segmentBytes", "many"),
                               ("timestampType", "never")):
            report.error("create with %s %r" % (setting, value), "ERR_INVALID_ARGUMENT", lambda: client.topic(
                m.TOPIC_CREATE, name + "-bad", settings={setting: value}))
            report.error("alter with %s %r" % (setting, value), "ERR_INVALID_ARGUMENT", lambda: client.topic(
                m.TOPIC_ALTER, name, settings={setting: value}))
        for op in (m.TOPIC_CREATE, m.TOPIC_ALTER):
            report.error("replicated", "ERR_UNSUPPORTED_DURABILITY", lambda: client.topic(
                op, name + "-bad" if op == m.TOPIC_CREATE else name, settings={"durability": "replicated"}))
        report.error("no topic came of it", "ERR_TOPIC_NOT_FOUND", lambda: client.topic(m.TOPIC_DESCRIBE, name + "-bad"))
        report.error("partitions 0", "ERR_MALFORMED_BODY", lambda: client.topic(
            m.TOPIC_CREATE, name + "-bad", partitions=0))
        report.error("more partitions than any broker has", "ERR_INVALID_ARGUMENT",
                     lambda: client.topic(m.TOPIC_CREATE, name + "-bad", partitions=1025))
        altered = client.topic(m.TOPIC_ALTER, name, settings={"segmentBytes": 2097152, "segmentMs": None}, partitions=4,
                               revision=description["revision"])
        report.equal("altered", altered["settings"]["segmentBytes"], 2097152)
        report.equal("more partitions", len(altered["partitions"]), 4)
        report.check("the revision rises", altered["revision"] > description["revision"])
        report.equal("the id stays", altered["id"], description["id"])
        plain = stranger.topic(client, "admin-plain")[1]
        report.equal("nil goes back to the default", altered["settings"]["segmentMs"], plain["settings"]["segmentMs"])
        report.equal("settings not named stay", altered["settings"]["durability"], "memory")
        for value in ("persisted", None):
            report.error("alter durability to %r" % value, "ERR_INVALID_ARGUMENT", lambda: client.topic(
                m.TOPIC_ALTER, name, settings={"durability": value}))
        report.error("an old revision", "ERR_REVISION_CONFLICT", lambda: client.topic(
            m.TOPIC_ALTER, name, partitions=5, revision=description["revision"]))
        report.error("fewer partitions", "ERR_INVALID_ARGUMENT", lambda: client.topic(m.TOPIC_ALTER, name, partitions=3))
        report.equal("an alter of nothing raises the revision", client.topic(m.TOPIC_ALTER, name)["revision"],
                     altered["revision"] + 1)
        for setting, low, high in (("segmentBytes", 4096, 1 << 31), ("segmentMs", 1000, None),
                                   ("batchBytesMax", 1024, 1 << 26)):
            for value, fits in ((low, True), (low - 1, False), (high, True), (high and high + 1, False)):
                alter = lambda: client.topic(m.TOPIC_ALTER, name, settings={setting: value})["settings"][setting]
                if value is not None and fits:
                    report.equal("%s %d" % (setting, value), alter(), value)
                elif value is not None:
                    report.error("%s %d" % (setting, value), "ERR_INVALID_ARGUMENT", alter)
        for op in (m.TOPIC_DESCRIBE, m.TOPIC_ALTER, m.TOPIC_DELETE, m.TOPIC_OPEN):
            report.error("op 0x%02x on a missing topic" % op, "ERR_TOPIC_NOT_FOUND",
                         lambda: client.topic(op, stranger.prefix + "missing"))
        report.error("delete an old revision", "ERR_REVISION_CONFLICT", lambda: client.topic(
            m.TOPIC_DELETE, name, revision=description["revision"]))
        report.equal("delete", client.topic(m.TOPIC_DELETE, name, revision=None), {})
        again = stranger.topic(client, "admin")[1]
        report.check("an id is never used again", again["id"] != description["id"])
        for suffix in ("list-b", "list-a", "list-B", "list-ab"):
            stranger.topic(client, suffix)
        listed = client.control(m.TOPIC_LIST, {"prefix": stranger.prefix + "list-"})
        names = [item["topic"][len(stranger.prefix):] for item in listed["topics"]]
        report.equal("sorted by bytes", names, ["list-B", "list-a", "list-ab", "list-b"])
        report.check("items of TOPIC_LISTED", all({"topic", "id", "partitions", "durability", "revision"} <= item.keys()
                                                  for item in listed["topics"]))
        report.check("no more", not listed.get("more"))
        after = client.control(m.TOPIC_LIST, {"prefix": stranger.prefix + "list-", "after": stranger.prefix + "list-a"})
        report.equal("after", [item["topic"][len(stranger.prefix):] for item in after["topics"]], ["list-ab", "list-b"])
        report.check("an empty prefix lists all", len(client.control(m.TOPIC_LIST, {})["topics"]) >= 6)
        stranger.usable(client)


def names_and_bodies(stranger):
    report = stranger.report
    with stranger.client() as client:
        for name in ("", ".", ".."):
            report.error("create %.20r" % name, "ERR_INVALID_NAME", lambda: client.topic(m.TOPIC_CREATE, name))
            report.error("describe %.20r" % name, "ERR_INVALID_NAME", lambda: client.topic(m.TOPIC_DESCRIBE, name))
        for name in ("a/b", "a b", "ü", "x" * 220, "a\0b", "a\nb", "__proto__"):
            report.outcome("create %.20r" % name, lambda: stranger.topic(client, name)[0])
        report.error("open a bad name", "ERR_INVALID_NAME", lambda: client.topic(m.TOPIC_OPEN, "..", create=True))
        for name in (stranger.prefix + "._-Z9", (stranger.prefix + "x" * 200)[:200]):
            stranger.topic(client, name[len(stranger.prefix):])
            report.check("create a safe name", True)
        name = msgpack.packb("topic") + msgpack.packb(stranger.prefix + "missing")
        level = lambda count: b"\x91" * count + b"\xc0"  # a key whose value is so many arrays
        good = {
            "plain": b"\x81" + name,
            "map16": b"\xde\x00\x01" + name,
            "map32, str16 key": b"\xdf\x00\x00\x00\x01\xda\x00\x05topic" + msgpack.packb(stranger.prefix + "missing"),
            "the last of two keys": b"\x82\xa5topic\x01" + name,
            "unknown keys": b"\x83\xa1a\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa1b\xc4\x02\xff\xfe" + name,
            "8 levels": b"\x82\xa1a" + level(7) + name,
            "65536 bytes": b"",
            "2^53 - 1": b"\x82\xa1a\xcf\x00\x1f\xff\xff\xff\xff\xff\xff" + name,
            "-(2^53 - 1)": b"\x82\xa1a\xd3\xff\xe0\x00\x00\x00\x00\x00\x01" + name,
        }
        def padded(size):
            head = b"\x82" + name + b"\xa1p\xc5"
            return head + struct.pack(">H", size - len(head) - 2) + bytes(size - len(head) - 2)
        good["65536 bytes"] = padded(65536)
        for title, body in good.items():
            report.error("body with " + title, "ERR_TOPIC_NOT_FOUND", lambda: client.request(m.TOPIC_DESCRIBE, body))
        bad = {
            "nothing": b"", "an array": b"\x91\x01", "nil": b"\xc0", "half a map": b"\x82" + name,
            "a byte after the map": b"\x81" + name + b"\xc0", "9 levels": b"\x82\xa1a" + level(8) + name,
            "65537 bytes": padded(65537), "fixext": b"\x82\xa1a\xd4\x01\x00" + name,
            "timestamp": b"\x82\xa1a\xd6\xff\x00\x00\x00\x00" + name, "ext8": b"\x82\xa1a\xc7\x01\x05\x00" + name,
            "0xc1": b"\x82\xa1a\xc1" + name, "an int key": b"\x82\x01\x01" + name, "a bin key": b"\x82\xc4\x01a\x01" + name,
            "__proto__": b"\x82\xa9__proto__\x01" + name, "__proto__ inside": b"\x82\xa1a\x81\xa9__proto__\x01" + name,
            "2^53": b"\x82\xa1a\xcf\x00\x20\x00\x00\x00\x00\x00\x00" + name,
            "-2^53": b"\x82\xa1a\xd3\xff\xe0\x00\x00\x00\x00\x00\x00" + name,
            "no UTF-8": b"\x81\xa5topic\xa2\xc3\x28", "a surrogate": b"\x81\xa5topic\xa3\xed\xa0\x80",
            "no UTF-8 in an unknown key": b"\x82\xa1a\xa1\xff" + name,
            "no topic": b"\x80", "topic nil": b"\x81\xa5topic\xc0", "topic bin": b"\x81\xa5topic\xc4\x01a",
            "topic int": b"\x81\xa5topic\x07", "a huge length": b"\x81\xa5topic\xdb\xff\xff\xff\xff",
            "a huge map": b"\xdf\xff\xff\xff\xff",
        }
        for title, body in bad.items():
            report.error("body with " + title, "ERR_MALFORMED_BODY", lambda: client.request(m.TOPIC_DESCRIBE, body))
        for title, op, body in (
                ("create true as int", m.TOPIC_OPEN, {"topic": "x", "create": 1}),
                ("partitions 1.5", m.TOPIC_CREATE, {"topic": "x", "partitions": 1.5}),
                ("partitions 2^32", m.TOPIC_CREATE, {"topic": "x", "partitions": 1 << 32}),
                ("settings as array", m.TOPIC_CREATE, {"topic": "x", "settings": []}),
                ("prefix as int", m.TOPIC_LIST, {"prefix": 1}),
                ("subscription 0", m.SUBSCRIBE, {"subscription": 0, "topic": "x", "from": "earliest", "credit": 1}),
                ("no from", m.SUBSCRIBE, {"subscription": 1, "topic": "x", "credit": 1}),
                ("no credit", m.SUBSCRIBE, {"subscription": 1, "topic": "x", "from": "earliest"}),
                ("credit 2^32", m.SUBSCRIBE, {"subscription": 1, "topic": "x", "from": "earliest", "credit": 1 << 32}),
                ("no at", m.LIST_OFFSETS, {"topic": "x"})):
            report.error(title, "ERR_MALFORMED_BODY", lambda: client.control(op, body))
        name, handle = stranger.opened(client, "bodies")
        for title, op, body in (("short PRODUCE", m.PRODUCE, bytes(11)), ("short FETCH", m.FETCH, bytes(31)),
                                ("FETCH of 2^53", m.FETCH, m.FETCH_BODY.pack(handle, 0, 1 << 53, 1, 0, 0, 0))):
            report.error(title, "ERR_MALFORMED_BODY", lambda: client.request(op, body))
        long = client.request(m.FETCH, m.FETCH_BODY.pack(handle, 0, 0, 1, 0, 0, 0) + b"what comes later")
        report.equal("bytes behind a FETCH are ignored", len(long), 32)
        client.credit(4711, 10)
        client.send_raw(m.encode_frame(m.CREDIT, 0, 99, struct.pack(">II", 4711, 1) + b"later"))
        stranger.usable(client)
        client.send_raw(m.encode_frame(m.CREDIT, 0, 0, b"\0\0"))
        stranger.usable(client)
        report.check("a CREDIT of 2 bytes", client.fatal is not None and client.fatal.code == "ERR_MALFORMED_BODY",
                     client.fatal)


def many_topics(stranger):
    """More topics than one TOPIC_LISTED holds."""
    report = stranger.report
    with stranger.client() as client:
        names = [stranger.prefix + "many-%04d" % number for number in range(1002)]
        def all_at_once(op):
            for at in range(0, len(names), 400):
                sent = [client.send(op, msgpack.packb({"topic": name, "partitions": 1})) for name in names[at:at + 400]]
                for correlation in sent:
                    client.answer(correlation, 30)
        all_at_once(m.TOPIC_CREATE)
        listed, pages, after = [], [], None
        while len(pages) < 4:
            page = client.control(m.TOPIC_LIST, {"prefix": stranger.prefix + "many-", "after": after})
            pages.append(len(page["topics"]))
            listed += [item["topic"] for item in page["topics"]]
            if not page.get("more"):
                break
            after = listed[-1]
        report.check("every topic is listed once", listed == names, "%d topics" % len(listed))
        report.check("no more than 1000 in an answer", max(pages) <= 1000 and len(pages) >= 2, pages)
        all_at_once(m.TOPIC_DELETE)


# --- producing and fetching ------------------------------------------------------------------

SPECIAL = [
    Record(b"key", b"value", (), T0),
    Record(None, b"no key", (), T0 + 5),
    Record(b"", b"empty key", (), T0 + 3),
    Record(b"tombstone", None, (), T0 - 100),
    Record(b"empty", b"", (), T0 + 20),
    Record(None, None, (), T0 + 21),
    Record("schlüssel".encode(), b"\x00\xff" * 10, (("заголовок", "значение 🚀".encode()), ("", b"")), T0 + 22),
    Record(b"repeated", b"x", (("a", b"1"), ("b", None), ("a", b"2"), ("a", b"1")), T0 + 23),
]


def same_batch(stranger, name, sent, batch, base_offset):
    """Stored bytes are the sent ones but for base offset and leader epoch (§8)."""
    stranger.report.equal(name + ": bytes", batch.raw[8:12] + batch.raw[16:], sent[8:12] + sent[16:])
    stranger.report.equal(name + ": base offset", batch.base_offset, base_offset)


def produce_and_fetch(stranger):
    report = stranger.report
    with stranger.client() as client:
        name, handle = stranger.opened(client, "data", partitions=3)
        opened = client.topic(m.TOPIC_OPEN, name)
        report.check("TOPIC_OPENED", opened["topic"] == name and opened["partitions"] == 3
                     and opened["batchBytesMax"] <= client.settings["batchBytesMax"]
                     and opened["durability"] in ("memory", "persisted"), opened)
        sent = {0: [], 1: [], 2: []}
        keyed = {0: [], 1: [], 2: []}
        for index in range(60):
            key = b"key-%d" % index
            keyed[m.partition_for(key, 3)].append(Record(key, b"value %d" % index, (), T0 + index))
        report.check("keys go to every partition", all(keyed.values()))
        for partition in range(3):
            next_offset = 0
            for records in (SPECIAL, keyed[partition], [Record(None, b"p%d" % partition, (), T0)]):
                batch = m.encode_batch(records)
                # Whatever a producer writes over the base offset and the leader epoch is ignored.
                marked = struct.pack(">q", 77) + batch[8:12] + struct.pack(">i", 5) + batch[16:]
                result = client.produced(client.send_produce(handle, partition, marked))
                report.equal("offsets", (result.base_offset, result.next_offset), (next_offset, next_offset + len(records)))
                report.equal("create time", result.append_timestamp, -1)
                report.equal("persisted or memory", result.durability, {"memory": 1, "persisted": 2}[opened["durability"]])
                sent[partition].append((batch, records, next_offset))
                next_offset = result.next_offset
        for partition in range(3):
            fetched = client.fetch(handle, partition, 0)
            expected = [record._replace(offset=base + delta) for _, records, base in sent[partition]
                        for delta, record in enumerate(records)]
            report.equal("records of partition %d" % partition, fetched.records, expected)
            report.equal("batches", len(fetched.batches), 3)
            for (batch, _, base), got in zip(sent[partition], fetched.batches):
                same_batch(stranger, "partition %d" % partition, batch, got, base)
                report.equal("leader epoch", got.epoch, fetched.epoch)
            report.equal("marks", (fetched.high_watermark, fetched.earliest, fetched.next_offset),
                         (len(expected), 0, len(expected)))
            middle = client.fetch(handle, partition, 3)
            report.equal("from the middle of a batch", middle.records, expected[3:])
            report.equal("the batch is not cut", middle.batches[0].base_offset, 0)
        described = client.topic(m.TOPIC_DESCRIBE, name)["partitions"]
        report.check("described", all(one["next"] == one["highWatermark"] == len(SPECIAL) + len(keyed[one["partition"]]) + 1
                                      and one["bytes"] > 0 for one in described), described)
        for action in (lambda: client.produce(handle, 3, SPECIAL), lambda: client.fetch(handle, 3, 0)):
            report.error("partition 3 of 3", "ERR_PARTITION_NOT_FOUND", action)
        report.error("an unknown handle to PRODUCE", "ERR_STALE_HANDLE", lambda: client.produce(99999, 0, SPECIAL))
        report.error("an unknown handle to FETCH", "ERR_STALE_HANDLE", lambda: client.fetch(99999, 0, 0))
        report.error("above the end", "ERR_OFFSET_OUT_OF_RANGE", lambda: client.fetch(handle, 0, 1000))
        stranger.usable(client)


def idempotence(stranger):
    report = stranger.report
    with stranger.client() as client, stranger.client() as other:
        name, handle = stranger.opened(client, "idempotence", partitions=2)
        producer, epoch = client.init_producer()
        report.check("a number and an epoch", producer >= 0 and 0 <= epoch <= 32767, (producer, epoch))
        report.check("another number for another producer", client.init_producer()[0] != producer)
        def batch(sequence, count=1, at=epoch, by=producer):
            records = [Record(None, b"%d.%d" % (sequence, index), (), T0) for index in range(count)]
            return m.encode_batch(records, producer_id=by, producer_epoch=at, base_sequence=sequence)
        def produce(data, partition=0, by=client, handle=handle):
            result = by.produced(by.send_produce(handle, partition, data))
            return result.base_offset, result.next_offset
        report.error("a first batch that is not the first", "ERR_UNKNOWN_PRODUCER", lambda: produce(batch(1)))
        report.equal("the first batch", produce(batch(0, 3)), (0, 3))
        report.equal("the same again", produce(batch(0, 3)), (0, 3))
        report.equal("the next", produce(batch(3)), (3, 4))
        report.error("a gap", "ERR_OUT_OF_SEQUENCE", lambda: produce(batch(5)))
        report.equal("sequences are those of a partition", produce(batch(0), 1), (0, 1))
        elsewhere = other.topic(m.TOPIC_OPEN, name)["handle"]
        report.equal("again on another connection", produce(batch(3), 0, other, elsewhere), (3, 4))
        for sequence in range(4, 9):
            produce(batch(sequence))
        report.equal("the last but four", produce(batch(4)), (4, 5))
        report.error("one before the last five", "ERR_DUPLICATE_SEQUENCE", lambda: produce(batch(0, 3)))
        report.equal("a higher epoch begins at 0", produce(batch(0, at=epoch + 1)), (9, 10))
        report.error("the epoch before it", "ERR_PRODUCER_FENCED", lambda: produce(batch(9)))
        other_producer, other_epoch = other.init_producer()
        report.equal("another producer", produce(batch(0, at=other_epoch, by=other_producer)), (10, 11))
        values = [record.value for record in client.fetch(handle, 0, 0).records]
        report.equal("everything is there once", values,
                     [b"0.0", b"0.1", b"0.2", b"3.0", b"4.0", b"5.0", b"6.0", b"7.0", b"8.0", b"0.0", b"0.0"])
        stranger.usable(client)


def removal(stranger):
    report = stranger.report
    with stranger.client() as client:
        name, handle = stranger.opened(client, "removal", partitions=2)
        for index in range(10):
            client.produce(handle, 0, [Record(None, b"%d" % index, (), T0)])
        client.produce(handle, 1, [Record(None, b"x", (), T0)])
        report.equal("below 4 and all", client.delete_records(name, {0: 4, 1: -1}), {0: 4, 1: 1})
        report.error("what was deleted", "ERR_OFFSET_OUT_OF_RANGE", lambda: client.fetch(handle, 0, 3))
        report.equal("what is left", [r.value for r in client.fetch(handle, 0, 4).records][:1], [b"4"])
        report.equal("earliest", [one["offset"] for one in client.list_offsets(name, "earliest")], [4, 1])
        report.equal("less than is gone changes nothing", client.delete_records(name, {0: 2}), {0: 4})
        report.error("beyond the end", "ERR_OFFSET_OUT_OF_RANGE", lambda: client.delete_records(name, {0: 11}))
        report.error("no partition", "ERR_INVALID_ARGUMENT", lambda: client.delete_records(name, {}))
        report.error("a partition that is not there", "ERR_PARTITION_NOT_FOUND",
                     lambda: client.delete_records(name, {2: 0}))
        following = client.truncate(name, 0, 7)
        report.check("the partition goes on at or behind its end", following >= 10, following)
        report.equal("what stays", [r.value for r in client.fetch(handle, 0, 4).records], [b"4", b"5", b"6"])
        report.equal("the next offset", client.produce(handle, 0, [Record(None, b"new", (), T0)]).base_offset, following)
        values = [r.value for r in client.fetch(handle, 0, 4, min_bytes=1000).records]
        report.equal("nothing of what was cut off", values[:3], [b"4", b"5", b"6"])
        report.error("below the earliest", "ERR_OFFSET_OUT_OF_RANGE", lambda: client.truncate(name, 0, 1))
        stranger.usable(client)


def append_time(stranger):
    report = stranger.report
    with stranger.client() as client:
        name, handle = stranger.opened(client, "append", settings={"timestampType": "append"})
        result = client.produce(handle, 0, SPECIAL)
        report.check("append time", abs(result.append_timestamp - time.time() * 1000) < 60000, result)
        report.outcome("offsets by time", lambda: client.list_offsets(name, result.append_timestamp))
        batch, = client.fetch(handle, 0, 0).batches
        report.check("attribute bit 3", batch.attributes & 8)
        report.equal("max timestamp is the append time", batch.max_timestamp, result.append_timestamp)
        report.equal("the rest is kept", [record[:3] for record in batch.records], [record[:3] for record in SPECIAL])
        report.equal("the time finds the first record", client.list_offsets(name, result.append_timestamp)[0]["offset"], 0)


def large_values(stranger):
    report = stranger.report
    value = bytes(range(256)) * 8192  # 2 MiB
    batch = m.encode_batch([Record(b"large", value, (("h", value[:70000]),), T0)])
    with stranger.client() as writer, stranger.client(frameBytesMax=8192) as small:
        name, handle = stranger.opened(writer, "large")
        report.check("the value needs continuation", len(batch) > writer.frame_bytes_max)
        writer.produced(writer.send_produce(handle, 0, batch))
        small_handle = small.topic(m.TOPIC_OPEN, name)["handle"]
        small.produced(small.send_produce(small_handle, 0, batch))
        for client, number in ((writer, handle), (small, small_handle)):
            for offset in (0, 1):
                fetched = client.fetch(number, 0, offset, max_bytes=1)
                report.equal("one batch whatever maxBytes", len(fetched.batches), 1)
                same_batch(stranger, "frames of %d" % client.frame_bytes_max, batch, fetched.batches[0], offset)
                report.equal("next", fetched.next_offset, offset + 1)
            report.check("frames keep the limit", client.frame_bytes_seen <= client.frame_bytes_max)
        small.subscribe(1, name, "earliest", 1)
        delivery = small.next_delivery()
        same_batch(stranger, "DELIVER in parts", batch, delivery.batches[0], 0)
        report.equal("one batch costs its bytes", delivery.cost, len(batch))
        most = writer.settings["batchBytesMax"]
        exact = largest_batch(most)
        report.equal("a batch of batchBytesMax was built", len(exact), most)
        taken = writer.produced(writer.send_produce(handle, 0, exact), 30)
        report.equal("a batch of %d bytes is taken" % most, taken.base_offset, 2)
        body = writer.answer(writer.send_fetch(handle, 0, 2), 30)
        report.check("and comes back", body[m.FETCHED_HEAD.size + 16:] == exact[16:])
        report.error("a batch one byte larger", "ERR_BATCH_TOO_LARGE", lambda: writer.produced(
            writer.send_produce(handle, 0, largest_batch(most + 1)), 30))
        stranger.usable(writer)
        name, handle = stranger.opened(writer, "segments", settings={"segmentBytes": 8192})
        report.equal("a quarter of a segment", writer.topic(m.TOPIC_OPEN, name)["batchBytesMax"], 2048)
        writer.produced(writer.send_produce(handle, 0, largest_batch(2048)))
        report.error("more than a quarter of a segment", "ERR_BATCH_TOO_LARGE", lambda: writer.produced(
            writer.send_produce(handle, 0, largest_batch(2049))))
        name, handle = stranger.opened(writer, "limited", settings={"batchBytesMax": 5000})
        report.equal("the limit of the topic", writer.topic(m.TOPIC_OPEN, name)["batchBytesMax"], 5000)
        writer.produced(writer.send_produce(handle, 0, largest_batch(5000)))
        report.error("the limit of a topic", "ERR_BATCH_TOO_LARGE", lambda: writer.produced(
            writer.send_produce(handle, 0, largest_batch(5001))))


def largest_batch(size):
    """One batch of exactly this size."""
    length = size - 80
    while True:
        batch = m.encode_batch([Record(b"", bytes(length), (), T0)]) if size < 65536 else None
        got = len(batch) if batch else 61 + len(m.encode_record(Record(b"", b"\0" * length), 0, 0))
        if got == size:
            return batch or m.encode_batch([Record(b"", bytes(length), (), T0)])
        length += size - got


def continuation(stranger):
    """Bodies in parts of any size, mixed with other frames."""
    report = stranger.report
    with stranger.client() as client:
        name, handle = stranger.opened(client, "parts", partitions=2)
        bodies = [m.PRODUCE_HEAD.pack(handle, number, 0) + m.encode_batch(SPECIAL) for number in (0, 1)]
        for number, body in enumerate(bodies):
            correlation = 1000 + number
            client.send_raw(m.encode_frame(m.PRODUCE, 1 + number, correlation, b"", m.MORE), correlation, m.PRODUCE)
        for at in range(0, max(map(len, bodies)), 7):
            for number, body in enumerate(bodies):
                client.send_raw(m.encode_frame(m.PRODUCE, 1 + number, 1000 + number, body[at:at + 7], m.MORE | 0x80))
            if at % 70 == 0:
                report.equal("PING between parts", client.request(m.PING, b"%d" % at), b"%d" % at)
        report.check("an unfinished body is not answered", 1000 not in client.answers and 1001 not in client.answers)
        for number in (1, 0):
            client.send_raw(m.encode_frame(m.PRODUCE, 1 + number, 1000 + number))
            report.equal("a body in parts", client.produced(1000 + number).next_offset, len(SPECIAL))
        body = msgpack.packb({"topic": name})
        for at in range(len(body)):
            client.send_raw(m.encode_frame(m.TOPIC_DESCRIBE, 0, 2000, body[at:at + 1], int(at < len(body) - 1)),
                            2000 if at == 0 else None, m.TOPIC_DESCRIBE)
        report.equal("a control body in parts", msgpack.unpackb(client.answer(2000))["topic"], name)
        for number in range(16):
            client.send_raw(m.encode_frame(m.PING, number, 3000 + number, b"a", m.MORE), 3000 + number, m.PING)
        stranger.usable(client)
        for number in range(16):
            client.send_raw(m.encode_frame(m.PING, number, 3000 + number, b"b"))
            report.equal("16 unfinished bodies", client.answer(3000 + number), b"ab")
    with stranger.client() as client:
        for number in range(17):
            client.send_raw(m.encode_frame(m.PING, 0, 3000 + number, b"a", m.MORE), 3000 + number, m.PING)
        stranger.ends_with("17 unfinished bodies", client, "ERR_MALFORMED_FRAME")


def produce_order(stranger):
    report = stranger.report
    with stranger.client() as client:
        name, handle = stranger.opened(client, "order", partitions=3)
        sent, failing = [], set()
        for index in range(300):
            batch = m.encode_batch([Record(None, b"%d" % index, (), T0)])
            if index % 50 == 25:
                batch = batch[:-1] + b"!"
            correlation = client.send_produce(handle, index % 3, batch, durability=index % 2, channel=5)
            sent.append(correlation)
            if index % 50 == 25:
                failing.add(correlation)
        client.wait(lambda: len(client.answers) >= len(sent))
        report.equal("answers of one channel in the order sent", list(client.answers), sent)
        offsets = [0, 0, 0]
        for index, correlation in enumerate(sent):
            if correlation in failing:
                report.error("a wrong CRC", "ERR_BATCH_CHECKSUM", lambda: client.answer(correlation))
            else:
                report.equal("offset", client.produced(correlation).base_offset, offsets[index % 3])
                offsets[index % 3] += 1
        values = [record.value for record in client.fetch(handle, 0, 0).records]
        report.equal("the log has the order", values, [b"%d" % index for index in range(0, 300, 3) if index % 50 != 25])
        body = m.PRODUCE_HEAD.pack(handle, 0, 0) + m.encode_batch([Record(None, b"long", (), T0)])
        client.send_raw(m.encode_frame(m.PRODUCE, 7, 9001, body[:30], m.MORE), 9001, m.PRODUCE)
        later = client.send_produce(handle, 0, m.encode_batch([Record(None, b"whole", (), T0)]), channel=7)
        overtaking = client.produced(later)
        client.send_raw(m.encode_frame(m.PRODUCE, 7, 9001, body[30:]))
        report.equal("a body in parts takes its place with its final part", client.produced(9001).base_offset,
                     overtaking.next_offset)


def produce_modes(stranger):
    report = stranger.report
    with stranger.client() as client:
        name, handle = stranger.opened(client, "modes", settings={"durability": "persisted"})
        batch = m.encode_batch(SPECIAL[:1])
        report.equal("durability 0", client.produced(client.send_produce(handle, 0, batch, 0)).durability, 2)
        report.equal("durability 1", client.produced(client.send_produce(handle, 0, batch, 1)).durability, 1)
        silent = [client.send_produce(handle, 0, batch, 255), client.send_produce(handle, 0, batch[:-1] + b"!", 255),
                  client.send_produce(handle, 9, batch, 255), client.send_produce(77777, 0, batch, 255),
                  client.send_produce(handle, 0, b"no batch", 255)]
        client._pending.update(dict.fromkeys(silent, m.PRODUCE))
        report.equal("the first without an answer was stored", client.produce(handle, 0, SPECIAL[:1]).base_offset, 3)
        client.request(m.PING)
        report.check("255 is never answered", not client.answers, client.answers)
        for durability in (2, 3, 254):
            report.error("durability %d" % durability, "ERR_UNSUPPORTED_DURABILITY",
                         lambda: client.produced(client.send_produce(handle, 0, batch, durability)))
        marked = m.PRODUCE_HEAD.pack(handle, 0, 0)[:9] + b"\x01\x02\x03" + batch
        report.equal("zeros are ignored", m.Produced(*m.PRODUCED.unpack_from(
            client.request(m.PRODUCE, marked))).base_offset, 4)
        name, handle = stranger.opened(client, "modes-memory", settings={"durability": "memory"})
        report.equal("a topic in memory", client.produce(handle, 0, SPECIAL).durability, 1)


def patched(batch, at, data, fix_crc=True):
    batch = batch[:at] + data + batch[at + len(data):]
    return batch[:17] + struct.pack(">I", m.crc32c(batch[21:])) + batch[21:] if fix_crc else batch


def around(encoded, count=1, length=None):
    """A batch with a right CRC around records that may be wrong."""
    batch = m.encode_batch([Record(None, None, (), T0)] * max(count, 1))[:61] + encoded
    batch = patched(batch, 8, struct.pack(">i", len(batch) - 12 if length is None else length))
    return patched(batch, 23, struct.pack(">i", count - 1)) if count < 1 else batch


def refused_batches(stranger):
    report = stranger.report
    with stranger.client() as client:
        name, handle = stranger.opened(client, "refused")
        produce = lambda batch: client.produced(client.send_produce(handle, 0, batch))
        good = m.encode_batch(SPECIAL)
        one = m.encode_batch([Record(None, b"v", (), T0)])
        record = lambda body: m.encode_varint(len(body)) + body
        v = m.encode_varint
        for title, batch in (
                ("the last byte", good[:-1] + bytes([good[-1] ^ 1])), ("the attributes", patched(good, 21, b"\x00\x20", False)),
                ("the CRC", patched(good, 17, b"\0\0\0\0", False)), ("the count", patched(good, 57, b"\0\0\0\7", False))):
            error = report.error("damage in " + title, "ERR_BATCH_CHECKSUM", lambda: produce(batch))
            report.check("that is retriable", error is not None and error.retriable)
        stranger.usable(client)
        empty = b"\0\0\0" + v(-1) + v(-1) + v(0)
        for title, batch in {
                "no batch": b"", "half a header": good[:40], "bytes after the batch": one + b"\0", "two batches": one + one,
                "a length too long": patched(one, 8, struct.pack(">i", len(one))), "a length too short": one[:-1],
                "a negative length": patched(one, 8, struct.pack(">i", -5)),
                "magic 1": patched(one, 16, b"\1"), "magic 0": patched(one, 16, b"\0"),
                "count 0": patched(patched(one[:61], 8, struct.pack(">i", 49)), 57, bytes(4)),
                "count -1": patched(one, 57, b"\xff" * 4), "count 2 of 1": patched(one, 57, b"\0\0\0\2"),
                "a huge count": patched(one, 57, b"\x7f\xff\xff\xff"),
                "another last offset delta": patched(one, 23, b"\0\0\0\1"),
                "a byte after the record": around(record(empty) + b"\0"),
                "a record that is too long": around(v(len(empty) + 1) + empty),
                "a record that is too short": around(v(len(empty) - 1) + empty),
                "a byte inside after the headers": around(record(empty + b"\0")),
                "offset delta 1 first": around(record(b"\0\0" + v(1) + empty[3:])),
                "offset delta 0 twice": around(record(empty) * 2, 2),
                "key length -2": around(record(b"\0\0\0" + v(-2) + v(-1) + v(0))),
                "value length -2": around(record(b"\0\0\0" + v(-1) + v(-2) + v(0))),
                "key beyond the record": around(record(b"\0\0\0" + v(9) + b"abc")),
                "negative header count": around(record(b"\0\0\0" + v(-1) + v(-1) + v(-1))),
                "header count without headers": around(record(b"\0\0\0" + v(-1) + v(-1) + v(1))),
                "a header without a key": around(record(b"\0\0\0" + v(-1) + v(-1) + v(1) + v(-1) + v(-1))),
                "a varint of 6 bytes": around(record(b"\0\0\0" + b"\x81\x80\x80\x80\x80\x00" + v(-1) + v(0))),
        }.items():
            report.error(title, "ERR_INVALID_BATCH", lambda: produce(batch))
        stranger.usable(client)
        offered = client.settings.get("codecs", ["none"])
        for number, codec in enumerate(("gzip", "snappy", "lz4", "zstd"), 1):
            if codec not in offered:
                report.error(codec, "ERR_UNSUPPORTED_CODEC", lambda: produce(patched(one, 21, bytes([0, number]))))
        for number in (5, 6, 7):
            report.error("codec %d" % number, "ERR_UNSUPPORTED_CODEC",
                         lambda: produce(patched(one, 21, bytes([0, number]))))
        sequenced = patched(patched(patched(one, 43, struct.pack(">q", 5)), 51, b"\0\0"), 53, bytes(4))
        for title, batch in (("transactional", patched(sequenced, 21, b"\0\x10")),
                             ("transactional without an id", patched(one, 21, b"\0\x10"))):
            report.error(title, "ERR_UNSUPPORTED_FEATURE", lambda: produce(batch))
        for title, batch in (("a control batch", patched(one, 21, b"\0\x20")),
                             ("a producer id without an epoch", patched(sequenced, 51, b"\xff\xff")),
                             ("a producer id without a sequence", patched(sequenced, 53, b"\xff" * 4)),
                             ("append time set by a producer", patched(one, 21, b"\0\x08")),
                             ("a timestamp of 2^53", m.encode_batch([Record(None, None, (), 1 << 53)])),
                             ("a timestamp of -2^53", m.encode_batch([Record(None, None, (), -1 << 53)]))):
            report.error(title, "ERR_INVALID_BATCH", lambda: produce(batch))
        described = client.topic(m.TOPIC_DESCRIBE, name)["partitions"][0]
        report.check("nothing of all that was stored", described["next"] == 0 and described["bytes"] == 0, described)
        for title, batch in (
                ("bit 6", patched(one, 21, b"\0\x40")),
                ("bit 7", patched(one, 21, b"\0\x80")), ("bit 15", patched(one, 21, b"\x80\0")),
                ("another max timestamp", patched(one, 35, struct.pack(">q", T0 + 5))),
                ("record attributes 1", around(record(b"\1" + empty[1:]))),
                ("first timestamp delta not 0", around(record(b"\0" + v(10) + empty[2:]))),
                ("a header key that is no UTF-8", around(record(b"\0\0\0" + v(-1) + v(-1) + v(1) + v(1) + b"\xff" + v(-1)))),
                ("an overlong varint", around(record(b"\0\0\x80\x00" + empty[3:]))),
                ("a negative timestamp", m.encode_batch([Record(None, None, (), -5)])),
                ("a timestamp of 2^53 - 1", m.encode_batch([Record(None, None, (), (1 << 53) - 1)]))):
            report.check(title + " is stored as sent", produce(batch))
        stranger.usable(client)


def long_poll(stranger):
    report = stranger.report
    with stranger.client() as reader, stranger.client() as writer:
        name, handle = stranger.opened(reader, "poll")
        write = writer.topic(m.TOPIC_OPEN, name)["handle"]
        started = time.monotonic()
        fetched = reader.fetch(handle, 0, 0, max_wait_ms=150)
        took = time.monotonic() - started
        report.check("an empty poll ends by maxWaitMs", took < 2 and not fetched.batches, took)
        report.note("a poll of 150 ms took", "%.3f s" % took)
        started = time.monotonic()
        fetched = reader.fetch(handle, 0, 0, max_wait_ms=5000, min_bytes=0)
        report.check("minBytes 0 is answered at once", time.monotonic() - started < 1)
        report.equal("an empty answer", fetched[:3], (0, 0, 0))
        waiting = reader.send_fetch(handle, 0, 0, max_wait_ms=8000)
        report.equal("other requests go on during a poll", reader.request(m.PING, b"meanwhile"), b"meanwhile")
        reader.idle(SHORT)
        report.check("the poll waits", waiting not in reader.answers)
        writer.produce(write, 0, SPECIAL)
        started = time.monotonic()
        fetched = reader.fetched(waiting, 0)
        report.check("the poll wakes up", time.monotonic() - started < 2)
        report.equal("with the records produced meanwhile", [record[:4] for record in fetched.records],
                     [record[:4] for record in SPECIAL])
        size = len(fetched.batches[0].raw)
        end = fetched.next_offset
        waiting = reader.send_fetch(handle, 0, end, min_bytes=2 * size, max_wait_ms=8000)
        reader.request(m.PING)
        writer.produce(write, 0, SPECIAL)
        reader.idle(SHORT)
        report.check("minBytes is waited for", waiting not in reader.answers)
        writer.produce(write, 0, SPECIAL)
        report.equal("until there is enough", len(reader.fetched(waiting, end).batches), 2)
        waiting = reader.send_fetch(handle, 0, end, min_bytes=1 << 30, max_wait_ms=200)
        report.equal("with too little after maxWaitMs", len(reader.fetched(waiting, end).batches), 2)


def fetch_limits(stranger):
    report = stranger.report
    with stranger.client() as client:
        name, handle = stranger.opened(client, "limits", partitions=2)
        batch = m.encode_batch([Record(b"k", bytes(919), (), T0)])
        for _ in range(20):
            client.send_produce(handle, 0, batch)
        client.wait(lambda: len(client.answers) == 20)
        client.answers.clear()
        for limit in (0, 1, len(batch) - 1, len(batch), 2 * len(batch) - 1, 2 * len(batch), 5 * len(batch) + 3):
            fetched = client.fetch(handle, 0, 4, max_bytes=limit)
            count = len(fetched.batches)
            report.check("maxBytes %d" % limit, count >= 1 and (count == 1 or count * len(batch) <= limit), count)
            report.equal("next offset", fetched.next_offset, 4 + count)
        offset, seen = 0, []
        while offset < 20:
            fetched = client.fetch(handle, 0, offset, max_bytes=3 * len(batch))
            seen += [record.offset for record in fetched.records]
            offset = fetched.next_offset
        report.equal("paging", seen, list(range(20)))
        fetched = client.fetch(handle, 0, 20, max_wait_ms=0)
        report.equal("at the end", fetched[:3], (20, 0, 20))
        report.error("one above the end", "ERR_OFFSET_OUT_OF_RANGE", lambda: client.fetch(handle, 0, 21))
        report.error("2^53 - 1", "ERR_OFFSET_OUT_OF_RANGE", lambda: client.fetch(handle, 0, (1 << 53) - 1))
        report.equal("flag bit 0 is ignored", client.fetched(client.send_fetch(handle, 0, 0, flags=1), 0).next_offset, 20)
        report.equal("flag bit 7 is ignored", client.fetched(client.send_fetch(handle, 0, 0, flags=128), 0).next_offset, 20)
        stranger.usable(client)


def offsets(stranger):
    report = stranger.report
    with stranger.client() as client:
        name, handle = stranger.opened(client, "offsets", partitions=3)
        for start in (100, 200, 300):
            client.produce(handle, 0, [Record(None, None, (), T0 + start + step) for step in (0, 10, 20)])
        client.produce(handle, 1, [Record(None, None, (), T0 + step) for step in (50, 20, 90)])
        at = lambda when, **options: {one["partition"]: (one["offset"], one.get("timestamp", -1), one["highWatermark"])
                                      for one in client.list_offsets(name, when, **options)}
        report.equal("earliest", {key: (value[0], value[2]) for key, value in at("earliest").items()},
                     {0: (0, 9), 1: (0, 3), 2: (0, 0)})
        report.equal("latest", {key: (value[0], value[2]) for key, value in at("latest").items()},
                     {0: (9, 9), 1: (3, 3), 2: (0, 0)})
        report.note("timestamps with earliest and latest", (at("earliest"), at("latest")))
        for when, offset, timestamp in ((0, 0, T0 + 100), (T0 + 100, 0, T0 + 100), (T0 + 101, 1, T0 + 110),
                                        (T0 + 121, 3, T0 + 200), (T0 + 220, 5, T0 + 220), (T0 + 320, 8, T0 + 320),
                                        (T0 + 321, 9, -1)):
            report.equal("at T0 + %d" % (when - T0), at(when, partitions=[0]), {0: (offset, timestamp, 9)})
        report.equal("timestamps that go back", at(T0 + 60, partitions=[1]), {1: (2, T0 + 90, 3)})
        report.equal("the first not before", at(T0 + 10, partitions=[1]), {1: (0, T0 + 50, 3)})
        report.equal("an empty partition", at(T0, partitions=[2]), {2: (0, -1, 0)})
        report.equal("two of three", sorted(at("latest", partitions=[2, 0])), [0, 2])
        report.error("a missing topic", "ERR_TOPIC_NOT_FOUND", lambda: client.list_offsets(name + "x", "latest"))
        report.error("a missing partition", "ERR_PARTITION_NOT_FOUND", lambda: at("latest", partitions=[0, 3]))
        report.error("at something else", "ERR_MALFORMED_BODY", lambda: at("yesterday"))
        report.error("no partition at all", "ERR_INVALID_ARGUMENT", lambda: at("latest", partitions=[]))
        report.error("a partition twice", "ERR_INVALID_ARGUMENT", lambda: at("latest", partitions=[0, 0]))
        report.error("at -1", "ERR_MALFORMED_BODY", lambda: at(-1))
        stranger.usable(client)


# --- subscriptions ---------------------------------------------------------------------------

def settle(client):
    """Everything the broker sends without being asked again has come: nothing for a while."""
    before = -1
    while before != len(client.deliveries):
        before = len(client.deliveries)
        client.idle(SHORT)
    found = list(client.deliveries)
    client.deliveries.clear()
    return found


def subscriptions(stranger):
    report = stranger.report
    with stranger.client() as client, stranger.client() as writer:
        name, handle = stranger.opened(writer, "credit")
        batch = m.encode_batch([Record(b"k", bytes(440), (), T0)] * 2)
        size = len(batch)
        for _ in range(20):
            writer.produced(writer.send_produce(handle, 0, batch))
        answer = client.subscribe(7, name, 5, 0, channel=3, maxBytesPerDeliver=size)
        report.equal("SUBSCRIBED", (answer["subscription"], answer["topic"], answer["partitions"]),
                     (7, name, [{"partition": 0, "offset": 5}]))
        report.check("no credit, no delivery", not settle(client))
        report.error("the id is in use", "ERR_SUBSCRIPTION_EXISTS", lambda: client.subscribe(7, name, "latest", 1))
        client.credit(7, 2 * size, channel=3)
        first = settle(client)
        report.equal("two batches use the credit up", [one.cost for one in first], [size, size])
        report.check("channel and subscription", all(one.channel == 3 and one.subscription == 7 for one in first))
        report.equal("the first batch is not cut", first[0].batches[0].base_offset, 4)
        report.equal("records below the start are skipped", [record.offset for one in first for record in one.records],
                     [5, 6, 7])
        report.equal("next offsets", [one.next_offset for one in first], [6, 8])
        report.equal("high watermark", {one.high_watermark for one in first}, {40})
        client.credit(7, 1)
        report.equal("one byte lets one batch through", [one.cost for one in settle(client)], [size])
        client.credit(7, size - 1)
        report.check("a credit of 0 lets none through", not settle(client))
        client.credit(7, size + 1)
        report.equal("the debt counts", [one.next_offset for one in settle(client)], [12, 14])
        client.credit(7, 1 << 20)  # also pays the debt
        got = settle(client)
        report.equal("the rest, in order", [record.offset for one in got for record in one.records], list(range(14, 40)))
        report.check("maxBytesPerDeliver", all(one.cost <= size or len(one.batches) == 1 for one in got))
        writer.produced(writer.send_produce(handle, 0, batch))
        live = client.next_delivery()
        report.equal("live", [record.offset for record in live.records], [40, 41])
        report.check("stored bytes are delivered", live.batches[0].raw[16:] == batch[16:])
        client.credit(7, 0xFFFFFFFF)
        client.credit(7, 0xFFFFFFFF)
        writer.produced(writer.send_produce(handle, 0, batch))
        report.equal("more credit than counts", client.next_delivery().next_offset, 44)
        report.equal("UNSUBSCRIBED", client.control(m.UNSUBSCRIBE, {"subscription": 7}), {"subscription": 7})
        writer.produced(writer.send_produce(handle, 0, batch))
        report.check("nothing after UNSUBSCRIBED", not settle(client))
        report.error("unsubscribe again", "ERR_SUBSCRIPTION_NOT_FOUND", lambda: client.control(
            m.UNSUBSCRIBE, {"subscription": 7}))
        client.credit(7, 100)
        client.subscribe(7, name, "earliest", 1 << 20)
        report.equal("the id is free again", [record.offset for one in settle(client) for record in one.records],
                     list(range(46)))
        client.subscribe(8, name, 44, 1 << 20)
        report.equal("a second subscription", client.next_delivery().next_offset, 46)
        client.subscribe(9, name, 0, 3 * size, channel=1, maxBytesPerDeliver=1)
        report.equal("one batch although it is larger than maxBytesPerDeliver",
                     [len(one.batches) for one in settle(client)], [1, 1, 1])
        client.credit(9, size, channel=2)
        report.equal("CREDIT on another channel than SUBSCRIBE", len(settle(client)), 1)
        stranger.usable(client)


def subscription_starts(stranger):
    report = stranger.report
    with stranger.client() as client, stranger.client() as writer:
        name, handle = stranger.opened(writer, "starts", partitions=3)
        for partition in range(3):
            for index in range(4):
                writer.produce(handle, partition, [Record(None, b"%d" % index, (), T0 + 10 * index)])
        def starts(start, **options):
            answer = client.subscribe(1, name, start, 1 << 20, **options)
            got = {one["partition"]: one["offset"] for one in answer["partitions"]}
            expected = sorted((partition, offset) for partition in got for offset in range(got[partition], 4))
            client.idle(0.05)
            client.wait(lambda: sum(len(one.records) for one in client.deliveries) >= len(expected), 3)
            found = [(one.partition, record.offset) for one in client.deliveries for record in one.records]
            report.equal("records from %r" % (start,), sorted(found), expected)
            client.control(m.UNSUBSCRIBE, {"subscription": 1})
            client.deliveries.clear()
            return got
        report.equal("earliest", starts("earliest"), {0: 0, 1: 0, 2: 0})
        report.equal("latest", starts("latest"), {0: 4, 1: 4, 2: 4})
        report.equal("an offset", starts(2), {0: 2, 1: 2, 2: 2})
        report.equal("the end", starts(4), {0: 4, 1: 4, 2: 4})
        report.equal("a time", starts({"timestamp": T0 + 11}), {0: 2, 1: 2, 2: 2})
        report.equal("a time to come", starts({"timestamp": T0 + 999}), {0: 4, 1: 4, 2: 4})
        report.equal("offsets", starts({"offsets": {"0": 3, "2": 1}}), {0: 3, 1: 0, 2: 1})
        report.equal("one partition", starts("earliest", partitions=[1]), {1: 0})
        report.equal("resuming behind what was read", starts({"offsets": {"0": 4}}, partitions=[0]), {0: 4})
        subscribe = lambda start, **options: client.subscribe(2, name, start, 0, **options)
        report.error("above the end", "ERR_OFFSET_OUT_OF_RANGE", lambda: subscribe(5))
        report.error("offsets above the end", "ERR_OFFSET_OUT_OF_RANGE", lambda: subscribe({"offsets": {"1": 9}}))
        report.error("a missing partition", "ERR_PARTITION_NOT_FOUND", lambda: subscribe("latest", partitions=[0, 3]))
        report.error("a missing topic", "ERR_TOPIC_NOT_FOUND", lambda: client.subscribe(2, name + "x", "latest", 0))
        for title, start in (("another word", "yesterday"), ("an empty map", {}), ("a bad key", {"offsets": {"one": 1}}),
                             ("both", {"timestamp": 1, "offsets": {}}), ("key 01", {"offsets": {"01": 1}}),
                             ("a negative offset", -1)):
            report.error(title, "ERR_MALFORMED_BODY", lambda: subscribe(start))
        report.error("offsets of a missing partition", "ERR_PARTITION_NOT_FOUND", lambda: subscribe({"offsets": {"7": 0}}))
        report.error("no partition at all", "ERR_INVALID_ARGUMENT", lambda: subscribe("latest", partitions=[]))
        report.error("a partition twice", "ERR_INVALID_ARGUMENT", lambda: subscribe("latest", partitions=[1, 1]))
        client.subscribe(3, name, {"offsets": {"0": 4, "1": 4}}, 0, partitions=[1])
        report.error("maxBytesPerDeliver 0", "ERR_MALFORMED_BODY", lambda: subscribe("latest", maxBytesPerDeliver=0))
        client.subscribe(6, name, "latest", 1 << 20)
        writer.topic(m.TOPIC_ALTER, name, partitions=4)
        writer.produce(handle, 3, [Record(None, b"new partition", (), T0)])
        joined = client.next_delivery()
        report.equal("a new partition joins from its start", (joined.partition, [one.value for one in joined.records]),
                     (3, [b"new partition"]))
        stranger.usable(client)


def subscription_ends(stranger):
    report = stranger.report
    with stranger.client() as client, stranger.client() as other:
        name, _ = stranger.topic(other, "ends", partitions=2)
        client.subscribe(1, name, "latest", 1000)
        client.subscribe(2, name, "earliest", 0, partitions=[1])
        other.topic(m.TOPIC_DELETE, name)
        client.wait(lambda: len(client.ends) == 2)
        report.equal("SUBSCRIPTION_END", sorted((end["subscription"], m.ERRORS[end["code"]]) for end in client.ends),
                     [(1, "ERR_TOPIC_DELETED"), (2, "ERR_TOPIC_DELETED")])
        report.error("the subscription is gone", "ERR_SUBSCRIPTION_NOT_FOUND", lambda: client.control(
            m.UNSUBSCRIBE, {"subscription": 1}))
        other.topic(m.TOPIC_CREATE, name)
        report.equal("its id is free", client.subscribe(1, name, "latest", 0)["subscription"], 1)
        for number in range(2, 5000):  # how many a connection may have is a setting of the broker
            try:
                client.subscribe(number, name, "latest", 0)
            except m.MillraceError as error:
                report.equal("subscription %d" % number, error.code, "ERR_LIMIT_EXCEEDED")
                break
        stranger.usable(client)


def handles(stranger):
    report = stranger.report
    with stranger.client() as client, stranger.client() as other:
        name, handle = stranger.opened(client, "handles")
        client.produce(handle, 0, SPECIAL)
        waiting = client.send_fetch(handle, 0, len(SPECIAL), max_wait_ms=8000)
        client.request(m.PING)
        other.topic(m.TOPIC_DELETE, name)
        report.error("a poll whose topic is deleted", "ERR_TOPIC_DELETED",
                     lambda: client.fetched(waiting, 0, 4))
        for _ in range(2):
            error = report.error("PRODUCE with a stale handle", "ERR_STALE_HANDLE", lambda: client.produce(handle, 0, SPECIAL))
            report.check("stale handles are retriable", error is not None and error.retriable)
            report.error("FETCH with a stale handle", "ERR_STALE_HANDLE", lambda: client.fetch(handle, 0, 0))
            other.topic(m.TOPIC_CREATE, name, ifNotExists=True)  # again, under the same name
        fresh = client.topic(m.TOPIC_OPEN, name)["handle"]
        report.equal("open again", client.produce(fresh, 0, SPECIAL).base_offset, 0)
        if fresh != handle:
            report.error("the old handle stays stale", "ERR_STALE_HANDLE", lambda: client.fetch(handle, 0, 0))
        report.error("a handle of another connection", "ERR_STALE_HANDLE", lambda: other.fetch(fresh, 0, 0))
        missing = stranger.prefix + "first-use"
        if client.settings.get("autoCreateTopics"):
            stranger.topics.append(missing)
            report.equal("created on first use", client.topic(m.TOPIC_OPEN, missing, create=True)["topic"], missing)
        else:
            report.error("no creation on first use", "ERR_TOPIC_NOT_FOUND",
                         lambda: client.topic(m.TOPIC_OPEN, missing, create=True))
        stranger.usable(client)


# --- load and the end ------------------------------------------------------------------------

def busy(stranger):
    report = stranger.report
    with stranger.client() as client, stranger.client() as writer:
        name, handle = stranger.opened(client, "busy")
        most = client.settings["inFlightCountMax"]
        if most > 20000:
            return report.note("inFlightCountMax", most)
        waiting = [client.send_fetch(handle, 0, 0, max_wait_ms=20000) for _ in range(most)]
        over = [client.send_fetch(handle, 0, 0, max_wait_ms=20000) for _ in range(5)]
        for correlation in over:
            error = report.error("one request too many", "ERR_BUSY", lambda: client.answer(correlation))
            report.check("busy is retriable", error is not None and error.retriable)
        report.equal("PING while all is in flight", client.request(m.PING, b"x"), b"x")
        writer.produce(writer.topic(m.TOPIC_OPEN, name)["handle"], 0, SPECIAL)
        client.wait(lambda: len(client.answers) >= most)
        report.check("all others are answered", all(len(client.fetched(one, 0).records) == len(SPECIAL) for one in waiting))
        stranger.usable(client)
    with Watcher(stranger.host, stranger.port, WAIT) as client:
        handle = client.topic(m.TOPIC_OPEN, name)["handle"]
        del client.seen[:]
        first = client.send_fetch(handle, 0, len(SPECIAL), max_wait_ms=300)
        client.send_raw(m.encode_frame(m.FETCH, 0, first, m.FETCH_BODY.pack(handle, 0, 0, 1, 0, 0, 0)))
        client.idle(0.5)
        report.equal("a correlation in use is answered twice", [one[1:] for one in client.seen],
                     [(m.FETCH | m.ANSWER, first)] * 2)


def frames_that_close(stranger):
    report = stranger.report
    def broken(name, codes, data, correlation=77, op=m.PING, must_say=True, **options):
        with stranger.client(**options) as client:
            client.send_raw(data(client) if callable(data) else data, correlation, op)
            return stranger.ends_with(name, client, codes, must_say)
    frame = m.encode_frame
    connect = msgpack.packb({"magic": "millrace", "versions": [1]})
    broken("second CONNECT", "ERR_UNEXPECTED_FRAME", frame(m.CONNECT, 0, 77, connect))
    broken("oversized", "ERR_FRAME_TOO_LARGE",
           lambda client: struct.pack(">IBBHI", client.frame_bytes_max - 3, m.PING, 0, 0, 77))
    broken("oversized in small frames", "ERR_FRAME_TOO_LARGE", struct.pack(">I", 8189), frameBytesMax=8192)
    broken("too short", "ERR_MALFORMED_FRAME", struct.pack(">IBBHI", 7, m.PING, 0, 0, 77))
    broken("length 0", "ERR_MALFORMED_FRAME", bytes(12))
    broken("correlation 0", "ERR_MALFORMED_FRAME", frame(m.PING, 0, 0))
    broken("garbage", "ERR_FRAME_TOO_LARGE ERR_MALFORMED_FRAME", b"\xca\xfe\xba\xbe" * 5)
    broken("HTTP, too late to be told apart", "ERR_FRAME_TOO_LARGE", b"POST /x HTTP/1.1\r\n\r\n")
    for op in (m.GO_AWAY, m.DELIVER, m.SUBSCRIPTION_END, m.ERROR, 0x81, 0x85, 0x90, 0xA0, 0xB0, 0xFF):
        broken("op 0x%02x of the broker" % op, "ERR_UNEXPECTED_FRAME", frame(op, 0, 77, b"\x80"))
    with stranger.client() as client:  # the frame of exactly the limit is the last that passes
        body = b"\x81\xa5topic\xa1x"
        size = client.frame_bytes_max
        client.send_raw(frame(0x66, 0, 78, body + bytes(size - 12 - len(body))), 78, 0x66)
        report.error("a frame of the limit", "ERR_UNKNOWN_OPCODE", lambda: client.answer(78))
    with stranger.client() as client:
        most = client.settings["bodyBytesMax"]
        client.send(m.PRODUCE, bytes(most + 1))
        stranger.ends_with("a body too large", client, "ERR_BODY_TOO_LARGE", must_say=False)
    with stranger.client() as client:
        most = client.settings["bodyBytesMax"]
        part = bytes(client.frame_bytes_max - 12)
        for number in (80, 81, 82):
            for _ in range(most // len(part)):
                client.send_raw(frame(m.PRODUCE, 0, number, part, m.MORE), number, m.PRODUCE)
        stranger.ends_with("unfinished bodies too large together", client, "ERR_BODY_TOO_LARGE", must_say=False)


def closing(stranger):
    report = stranger.report
    with stranger.client() as client:
        name, handle = stranger.opened(client, "closing")
        sent = [client.send_produce(handle, 0, m.encode_batch(SPECIAL)) for _ in range(20)]
        client.close()
        report.equal("what came before CLOSE is answered", [one for one in client.answers], sent)
        report.check("with success", all(op == m.PRODUCE | m.ANSWER for op, _ in client.answers.values()))
    with stranger.client() as client:
        handle = client.topic(m.TOPIC_OPEN, name)["handle"]
        waiting = client.send_fetch(handle, 0, 20 * len(SPECIAL), max_wait_ms=3000)
        client.request(m.PING)
        started = time.monotonic()
        client.send_raw(m.encode_frame(m.CLOSE, 4, 500, b"ignored"), 500, m.CLOSE)
        client.wait_for_end()
        report.check("CLOSED comes last", list(client.answers) == [waiting, 500], list(client.answers))
        report.check("CLOSE does not wait for a poll of 3 s", time.monotonic() - started < 1, time.monotonic() - started)
    with stranger.client() as client:
        report.equal("the records are there", client.fetch(client.topic(m.TOPIC_OPEN, name)["handle"], 0, 0).high_watermark,
                     20 * len(SPECIAL))
        client.close()
        report.check("no error at the end", client.fatal is None)


def clean_up(stranger):
    with stranger.client() as client:
        for name in dict.fromkeys(stranger.topics):
            client.topic(m.TOPIC_DELETE, name)
        left = client.control(m.TOPIC_LIST, {"prefix": stranger.prefix})["topics"]
        stranger.report.equal("no topic is left", left, [])
        client.close()


def main(arguments):
    plain = [argument for argument in arguments if argument != "--verbose"]
    if len(plain) != 2:
        sys.exit(__doc__)
    report = Report("--verbose" in arguments)
    try:
        Stranger(plain[0], int(plain[1]), report).run()
    except OSError as problem:
        report.check("connects", False, problem)
    print(json.dumps({"passed": report.passed, "failed": len(report.failures), "failures": report.failures}))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
