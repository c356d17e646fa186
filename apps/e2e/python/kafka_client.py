"""Debian's python3-confluent-kafka as a program.

`write ADDRESS TOPIC CODEC [idempotent]` takes records from standard input, `read ADDRESS TOPIC...`
writes them, a JSON line a topic; `poll ADDRESS TOPIC OFFSET` waits for the record there. The consumer is assigned its partition and joins no group.
"""

import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition


def text_of(value):
    return None if value is None else value.decode()


def write(address, topic, codec, idempotent=""):
    producer = Producer(
        {
            "bootstrap.servers": address,
            "compression.type": codec,
            "enable.idempotence": idempotent == "idempotent",
            "linger.ms": 50,
            "batch.num.messages": 100,
            "message.max.bytes": 16_000_000,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 200,
        }
    )
    failures = []
    for record in json.load(sys.stdin):
        producer.produce(
            topic,
            value=record["payload"],
            key=record["key"],
            headers=[(name, text) for name, text in record["headers"]],
            timestamp=record["timestamp"],
            partition=0,
            on_delivery=lambda error, _message: failures.append(error) if error else None,
        )
    left = producer.flush(60)
    if left or failures:
        sys.exit(f"{left} left, {failures[:3]}")


def consumer_of(address, wait_ms):
    return Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "no group",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "check.crcs": True,
            "fetch.wait.max.ms": wait_ms,
            "socket.timeout.ms": 60_000,
        }
    )


def record_of(message):
    return {
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
        "key": text_of(message.key()),
        "payload": text_of(message.value()),
        "headers": [[name, text_of(text)] for name, text in message.headers() or []],
    }


def poll(address, topic, offset):
    consumer = consumer_of(address, 30_000)
    consumer.assign([TopicPartition(topic, 0, int(offset))])
    message = consumer.poll(30)
    while message is not None and message.error():
        message = consumer.poll(30)
    print(json.dumps({"topic": topic, "records": [record_of(message)] if message else []}))
    consumer.close()


def read(address, *topics):
    consumer = consumer_of(address, 20)
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in topics])
    records = {topic: [] for topic in topics}
    unfinished = set(topics)
    while unfinished:
        message = consumer.poll(20)
        if message is None:
            sys.exit(f"nothing came of {unfinished}")
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                sys.exit(str(message.error()))
            unfinished.discard(message.topic())
            continue
        records[message.topic()].append(record_of(message))
    for topic in topics:
        print(json.dumps({"topic": topic, "records": records[topic]}))
    consumer.close()


{"write": write, "poll": poll, "read": read}[sys.argv[1]](*sys.argv[2:])
