"""The scenarios of section 19: exchanges, bindings, queues, deliveries, transactions."""

import struct

import msgpack

import millrace_client as m
import millrace_queues as q
from millrace_queues import Message, QueueClient

WAIT = 10.0
SHORT = 0.3


def client_of(stranger, **options):
    return QueueClient(stranger.host, stranger.port, WAIT, **options)


def payloads(deliveries):
    return [one.message.payload for one in deliveries]


def declarations(stranger):
    report, name = stranger.report, stranger.prefix
    with client_of(stranger) as client, client_of(stranger) as other:
        report.equal("the feature is there", client.settings.get("features"), ["queues"])
        exchange = client.exchange(q.EXCHANGE_DECLARE, name + "e", settings={"type": "topic"})
        report.equal("an exchange", (exchange["exchange"], exchange["predeclared"], exchange["bindings"],
                                     exchange["settings"]["type"], exchange["settings"]["isDurable"]),
                     (name + "e", False, 0, "topic", True))
        report.equal("declared again", client.exchange(q.EXCHANGE_DECLARE, name + "e", settings={"type": "topic"}), exchange)
        report.equal("described", client.exchange(q.EXCHANGE_DESCRIBE, name + "e"), exchange)
        report.error("with another type", "ERR_EXCHANGE_EXISTS",
                     lambda: client.exchange(q.EXCHANGE_DECLARE, name + "e", settings={"type": "direct"}))
        report.error("a reserved name", "ERR_RESERVED_NAME", lambda: client.exchange(q.EXCHANGE_DECLARE, "amq.mine"))
        report.error("an unknown setting", "ERR_INVALID_ARGUMENT",
                     lambda: client.exchange(q.EXCHANGE_DECLARE, name + "x", settings={"colour": "red"}))
        report.error("a wrong type", "ERR_INVALID_ARGUMENT",
                     lambda: client.exchange(q.EXCHANGE_DECLARE, name + "x", settings={"isDurable": 1}))
        report.error("no such exchange", "ERR_EXCHANGE_NOT_FOUND", lambda: client.exchange(q.EXCHANGE_DESCRIBE, name + "x"))
        queue = client.queue(q.QUEUE_DECLARE, name + "q", settings={"lengthMax": 100, "overflow": "reject"})
        report.equal("a queue", [queue[key] for key in ("queue", "exclusive", "ready", "readyBytes", "inFlight", "consumers")],
                     [name + "q", False, 0, 0, 0, 0])
        report.equal("its settings", [queue["settings"].get(key) for key in ("lengthMax", "overflow", "isDurable", "messageTtlMs")],
                     [100, "reject", True, None])
        report.equal("its counters", set(queue["counters"].values()), {0})
        report.error("with another limit", "ERR_QUEUE_EXISTS",
                     lambda: client.queue(q.QUEUE_DECLARE, name + "q", settings={"lengthMax": 7}))
        altered = client.queue(q.QUEUE_ALTER, name + "q", settings={"lengthMax": None, "messageTtlMs": 60000, "overflow": None})
        report.equal("altered", [altered["settings"].get(key) for key in ("lengthMax", "messageTtlMs", "overflow")],
                     [None, 60000, "drop-head"])
        report.error("durability is for life", "ERR_INVALID_ARGUMENT",
                     lambda: client.queue(q.QUEUE_ALTER, name + "q", settings={"isDurable": False}))
        for op in (q.QUEUE_DESCRIBE, q.QUEUE_PURGE):
            report.error("no such queue", "ERR_QUEUE_NOT_FOUND", lambda: client.queue(op, name + "x"))
        report.equal("deleting what is not there", client.queue(q.QUEUE_DELETE, name + "x"), {"messages": 0})
        client.queue(q.QUEUE_DECLARE, name + "mine", exclusive=True)
        report.error("locked for others", "ERR_QUEUE_LOCKED", lambda: other.queue(q.QUEUE_DESCRIBE, name + "mine"))
        listed = client.control(q.QUEUE_LIST, {"prefix": name, "after": name + "mine"})
        report.equal("a list after a name", ([one["queue"] for one in listed["queues"]], listed.get("more", False)), ([name + "q"], False))
        client.close()
        left = other.control(q.QUEUE_LIST, {"prefix": name})["queues"]
        report.equal("the exclusive one is gone", [one["queue"] for one in left], [name + "q"])
        for key, value in (("queue", 7), ("queue", None), ("settings", []), ("exclusive", "yes")):
            report.error("a wrong %s" % key, "ERR_MALFORMED_BODY",
                         lambda: other.control(q.QUEUE_DECLARE, {"queue": name + "q", key: value}))
        other.queue(q.QUEUE_DELETE, name + "q")
        other.exchange(q.EXCHANGE_DELETE, name + "e")
        stranger.usable(other)


def routing(stranger):
    report, name = stranger.report, stranger.prefix
    with client_of(stranger) as client:
        topic, _ = stranger.topic(client, "routed", partitions=1)
        a, b, e, by_headers = name + "a", name + "b", name + "topics", name + "headers"
        for queue in (a, b):
            client.queue(q.QUEUE_DECLARE, queue)
        client.exchange(q.EXCHANGE_DECLARE, e, settings={"type": "topic"})
        client.exchange(q.EXCHANGE_DECLARE, by_headers, settings={"type": "headers"})
        client.bind(e, "queue", a, routingKey="eu.*")
        client.bind(e, "queue", a, routingKey="#.new")
        client.bind(e, "exchange", by_headers, routingKey="#")
        client.bind(e, "topic", topic, routingKey="us.#")
        client.bind(by_headers, "queue", b, match="all", headers={"kind": "pdf", "urgent": None})
        client.bind(by_headers, "queue", b, match="all", headers={"kind": "pdf", "urgent": None})
        pdf = (("kind", b"pdf"), ("urgent", b"yes"))
        outcomes, text = client.publish(
            Message(e, "eu.new", b"1"), Message(e, "eu.old.new", b"2", pdf), Message(e, "us.old", b"3"),
            Message(e, "asia", b"4"), Message("", a, b"5"), Message(name + "nowhere", "", b"6"),
            Message("", name + "nowhere", b"7"))
        report.equal("targets and errors", outcomes,
                     [(1, None), (2, None), (1, None), (0, None), (1, None), (0, "ERR_EXCHANGE_NOT_FOUND"), (0, None)])
        report.check("the text of the first error", name + "nowhere" in text, text)
        report.equal("one queue", payloads(client.peek(a, 10)), [b"1", b"2", b"5"])
        report.equal("the other", payloads(client.peek(b, 10)), [b"2"])
        handle = client.topic(m.TOPIC_OPEN, topic)["handle"]
        records = client.fetch(handle, 0, 0).records
        report.equal("the topic", [(one.key, one.value) for one in records], [(b"us.old", b"3")])
        bindings = client.control(q.BINDING_LIST, {"exchange": by_headers})["bindings"]
        report.equal("bound twice is bound once", [one.get("headers") for one in bindings], [{"kind": "pdf", "urgent": None}])
        report.equal("a filter by target", len(client.control(q.BINDING_LIST, {"target": a, "targetKind": "queue", "exchange": e})["bindings"]), 2)
        client.bind(e, "queue", a, op=q.UNBIND, routingKey="#.new")
        report.equal("unbound", client.publish(Message(e, "x.new", b""))[0], [(0, None)])
        report.error("in use", "ERR_EXCHANGE_IN_USE", lambda: client.exchange(q.EXCHANGE_DELETE, e, ifUnused=True))
        report.error("a kind that is none", "ERR_MALFORMED_BODY", lambda: client.bind(e, "group", a))
        report.error("a queue that is none", "ERR_QUEUE_NOT_FOUND", lambda: client.bind(e, "queue", name + "none"))
        for exchange in (e, by_headers):
            client.exchange(q.EXCHANGE_DELETE, exchange)
        for queue in (a, b):
            client.queue(q.QUEUE_DELETE, queue)
        stranger.usable(client)


def deliveries(stranger):
    report, name = stranger.report, stranger.prefix + "work"
    with client_of(stranger) as client, client_of(stranger) as other:
        client.queue(q.QUEUE_DECLARE, name)
        full = Message("", name, b"\x00payload", (("a", b"1"), ("a", None), ("ключ", "値".encode())), True, 0, 60000, "m-1", b"k")
        client.publish(full, *(Message("", name, b"%d" % number, persistent=False) for number in range(2, 6)))
        report.equal("answered", client.consume(7, name, credit=2), {"consumer": 7})
        first, second = client.take(2)
        report.equal("every part", first.message, full)
        report.equal("tags and offsets", [(one.consumer, one.tag, one.offset, one.count, one.redelivered) for one in (first, second)],
                     [(7, 1, 0, 0, False), (7, 2, 1, 0, False)])
        client.idle(SHORT)
        report.equal("no more than the credit", list(client.delivered), [])
        client.settle(q.REQUEUE, (1, 1))
        again, = client.take(1)
        report.equal("back at its place", (again.tag, again.offset, again.count, again.redelivered), (3, 0, 1, True))
        client.control(q.CONSUMER_ALTER, {"consumer": 7, "credit": 10})
        report.equal("more credit", payloads(client.take(3)), [b"3", b"4", b"5"])
        for name_of, ranges in (("settled", [(1, 1)]), ("never given", [(7, 7)]), ("of nobody", [(0, 0)])):
            report.error("a tag " + name_of, "ERR_UNKNOWN_DELIVERY", lambda: client.settle(q.ACK, *ranges))
        report.error("one of two is wrong", "ERR_UNKNOWN_DELIVERY", lambda: client.settle(q.ACK, (2, 2), (99, 99)))
        report.error("another connection's", "ERR_UNKNOWN_DELIVERY", lambda: other.settle(q.ACK, (2, 2)))
        client.settle(q.ACK, (2, 3), (5, 5), durable=True)
        report.equal("cancelled", client.control(q.CONSUMER_CANCEL, {"consumer": 7}), {})
        report.error("and gone", "ERR_CONSUMER_NOT_FOUND", lambda: client.control(q.CONSUMER_CANCEL, {"consumer": 7}))
        report.equal("what is unsettled is not ready", other.get(name), (0, None))
        client.close()
        ready, got = other.get(name)
        report.equal("it returns with the connection", (ready, got.offset, got.redelivered), (1, 2, True))
        other.settle(q.REJECT, (got.tag, got.tag))
        ready, got = other.get(name, autoSettle=True)
        report.equal("settled by itself", (ready, got.tag, got.message.payload), (0, 0, b"5"))
        described = other.queue(q.QUEUE_DESCRIBE, name)
        report.equal("nothing is left", [described[key] for key in ("ready", "inFlight", "consumers")], [0, 0, 0])
        for name_of, body, code in (
                ("no range", bytes(4), "ERR_MALFORMED_BODY"), ("half a range", bytes(28), "ERR_MALFORMED_BODY"),
                ("an unknown outcome", b"\x03" + bytes(3) + q.RANGE.pack(1, 1), "ERR_MALFORMED_BODY"),
                ("a range backwards", bytes(4) + q.RANGE.pack(2, 1), "ERR_MALFORMED_BODY"),
                ("a tag beyond 2^53", bytes(4) + q.RANGE.pack(1, 2**53), "ERR_MALFORMED_BODY"),
                ("10,001 ranges", bytes(4) + q.RANGE.pack(1, 1) * 10001, "ERR_LIMIT_EXCEEDED")):
            report.error(name_of, code, lambda: other.request(q.SETTLE, body))
        other.consume(1, name)
        report.error("a number in use", "ERR_CONSUMER_EXISTS", lambda: other.consume(1, name))
        report.error("alone among others", "ERR_QUEUE_IN_USE", lambda: other.consume(2, name, exclusive=True))
        report.error("of no queue", "ERR_QUEUE_NOT_FOUND", lambda: other.consume(3, name + "x"))
        report.error("number 0", "ERR_MALFORMED_BODY", lambda: other.consume(0, name))
        other.queue(q.QUEUE_DELETE, name)
        other.wait(lambda: other.consumer_ends)
        end = other.consumer_ends.popleft()
        report.equal("the consumer is told", (end["consumer"], m.ERRORS[end["code"]]), (1, "ERR_QUEUE_DELETED"))
        stranger.usable(other)


def publishing(stranger):
    report, name = stranger.report, stranger.prefix + "published"
    with client_of(stranger) as client:
        client.queue(q.QUEUE_DECLARE, name, settings={"dedupWindowMs": 60000})
        waiting = [client.send_publish([Message("", name, b"%d" % number)]) for number in range(50)]
        bad = client.send(q.PUBLISH, bytes(4))
        last = client.send_publish([Message("", name, b"last")])
        client.published(last)
        report.equal("answers come in order", list(client.answers), waiting + [bad])
        report.error("no message", "ERR_MALFORMED_BODY", lambda: client.answer(bad))
        report.equal("all are there", client.queue(q.QUEUE_DESCRIBE, name)["ready"], 51)
        client.send_publish([Message("", name, b"silent"), Message("nowhere", "", b"")], silent=True)
        client.request(m.PING)
        report.check("silence", not client.fatal)
        report.equal("what was silent is there", client.publish(Message("", name, b""))[0], [(1, None)])
        report.equal("in order", payloads(client.peek(name, 1000))[-2:], [b"silent", b""])
        client.queue(q.QUEUE_PURGE, name)
        for _ in range(3):
            report.equal("a double is confirmed", client.publish(Message("", name, b"x", message_id="same"))[0], [(1, None)])
        report.equal("and dropped", client.queue(q.QUEUE_DESCRIBE, name)["ready"], 1)
        whole = bytes(4) + q.encode_message(Message("", name, b"abc", message_id="i", key=b"k"))
        without_flags = whole[:4] + b"\0" + whole[5:]
        for name_of, body in (("cut short", whole[:-1]), ("with a byte too many", whole + b"\0"),
                              ("of 3 bytes", bytes(3)), ("with parts and no flags", without_flags)):
            report.error("a body " + name_of, "ERR_MALFORMED_BODY", lambda: client.request(q.PUBLISH, body))
        report.error("10,001 messages", "ERR_LIMIT_EXCEEDED",
                     lambda: client.request(q.PUBLISH, bytes(4) + q.encode_message(Message("", "", b"")) * 10001))
        wrong = q.encode_message(Message("", name, b"x", (("a", b"1"),)))
        broken = wrong.replace(b"\x02\x02a\x021", b"\x02\x02a\x061")
        outcomes, _ = q.decode_published(client.request(q.PUBLISH, bytes(4) + broken + q.encode_message(Message("", name, b"y"))))
        report.equal("headers that are wrong are their message's affair", outcomes, [(0, "ERR_MALFORMED_BODY"), (1, None)])
        report.equal("a time to live below -1", client.publish(Message("", name, b"", ttl=-2))[0], [(0, "ERR_INVALID_ARGUMENT")])
        most = client.settings["batchBytesMax"]
        large = Message("", name, bytes(most - len(name)))
        report.equal("a message of the limit", client.publish(large)[0], [(1, None)])
        report.equal("one byte more", client.publish(large._replace(payload=large.payload + b"\0"))[0], [(0, "ERR_LIMIT_EXCEEDED")])
        client.queue(q.QUEUE_ALTER, name, settings={"lengthMax": 1, "overflow": "reject"})
        report.equal("full", client.publish(Message("", name, b"no"))[0], [(1, "ERR_MESSAGE_REFUSED")])
        client.queue(q.QUEUE_DELETE, name)
        stranger.usable(client)


def dead_letters(stranger):
    report, work, dead = stranger.report, stranger.prefix + "alive", stranger.prefix + "dead"
    with client_of(stranger) as client:
        client.queue(q.QUEUE_DECLARE, dead, settings={"retentionMs": 60000})
        client.queue(q.QUEUE_DECLARE, work, settings={"deadLetterExchange": "", "deadLetterKey": dead, "deliveryLimit": 1})
        client.consume(1, dead)
        client.publish(Message("", work, b"e", ttl=1))
        expired = client.take(1)
        client.publish(Message("", work, b"r"))
        _, got = client.get(work)
        client.settle(q.REJECT, (got.tag, got.tag))
        found = {one.message.payload: one for one in expired + client.take(1)}
        report.equal("reasons", {payload: one.dead_letters[0]["reason"] for payload, one in found.items()},
                     {b"r": "rejected", b"e": "expired"})
        entry = found[b"e"].dead_letters[0]
        report.equal("the history", [entry[key] for key in ("queue", "count", "exchange", "routingKeys")], [work, 1, "", [work]])
        report.equal("its own time to live", (entry.get("originalTtl"), found[b"e"].message.ttl), (1, -1))
        client.settle(q.ACK, (1, 2**53 - 1), durable=True)
        report.equal("replayed", client.queue(q.QUEUE_REPLAY, dead, since=0), {"messages": 2})
        client.take(2)
        client.control(q.CONSUMER_CANCEL, {"consumer": 1})
        client.settle(q.REQUEUE, (1, 2**53 - 1))
        report.equal("moved", client.queue(q.QUEUE_MOVE, dead, exchange="", routingKey=work, count=1), {"messages": 1})
        report.equal("there", client.queue(q.QUEUE_DESCRIBE, work)["ready"], 1)
        report.equal("purged", client.queue(q.QUEUE_PURGE, dead), {"messages": 1})
        report.error("not empty", "ERR_QUEUE_NOT_EMPTY", lambda: client.queue(q.QUEUE_DELETE, work, ifEmpty=True))
        for queue in (work, dead):
            client.queue(q.QUEUE_DELETE, queue)
        stranger.usable(client)


def transactions(stranger):
    report, one, two = stranger.report, stranger.prefix + "one", stranger.prefix + "two"
    with client_of(stranger) as client:
        for queue in (one, two):
            client.queue(q.QUEUE_DECLARE, queue)
        client.publish(Message("", one, b"a"), Message("", one, b"b"))
        client.consume(1, one)
        client.take(2)
        report.error("an exchange that is none", "ERR_EXCHANGE_NOT_FOUND",
                     lambda: client.commit([(1, 2, q.ACK)], [Message("", two, b"x"), Message("nowhere", "", b"")]))
        report.equal("then nothing was done", client.queue(q.QUEUE_DESCRIBE, two)["ready"], 0)
        report.error("a delivery that is none", "ERR_UNKNOWN_DELIVERY",
                     lambda: client.commit([(1, 1, q.ACK), (9, 9, q.ACK)], [Message("", two, b"x")]))
        report.equal("committed", client.commit([(1, 1, q.ACK), (2, 2, q.REQUEUE)], [Message("", two, b"x"), Message("", "?", b"")]),
                     ([(1, None), (0, None)], ""))
        again, = client.take(1)
        report.equal("what was requeued is back", (again.message.payload, again.count), (b"b", 1))
        report.equal("what was published is there", payloads(client.peek(two, 10)), [b"x"])
        report.error("settled with it", "ERR_UNKNOWN_DELIVERY", lambda: client.settle(q.ACK, (1, 1)))
        for name_of, body, code in (("no count", bytes(3), "ERR_MALFORMED_BODY"),
                                    ("fewer than it says", struct.pack(">I", 1) + bytes(23), "ERR_MALFORMED_BODY"),
                                    ("10,001 settlements", struct.pack(">I", 10001), "ERR_LIMIT_EXCEEDED")):
            report.error(name_of, code, lambda: client.request(q.COMMIT, body))
        report.equal("nothing at all", client.commit([], []), ([], ""))
        for queue in (one, two):
            client.queue(q.QUEUE_DELETE, queue)
        left = client.control(q.QUEUE_LIST, {"prefix": stranger.prefix})["queues"]
        report.equal("no queue is left", left, [])
        client.close()


def pushes_only(stranger):
    for op in (q.QUEUE_DELIVER, q.CONSUMER_END, q.PUBLISH | m.ANSWER):
        with client_of(stranger) as client:
            client.send_raw(m.encode_frame(op, 0, 77, msgpack.packb({})), 77, op)
            stranger.ends_with("op 0x%02x of the broker" % op, client, "ERR_UNEXPECTED_FRAME")


SCENARIOS = (declarations, routing, deliveries, publishing, dead_letters, transactions, pushes_only)
