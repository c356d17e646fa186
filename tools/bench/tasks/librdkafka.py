"""librdkafka under load, through Debian's python3-confluent-kafka.

One argument, a JSON object; one JSON object comes out. `produce` sends records for so long, as many as
librdkafka's own queue takes; `consume` reads so many from the beginning of partition 0, assigned and
without a group. Both say what they cost themselves, and `produce` for how long its queue was full.
"""

import json
import random
import resource
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

# More bytes than any codec looks back, so that the same record is not found again.
VALUE_COUNT = 4096
RECORDS_PER_LOOK = 512
PATIENCE_S = 60
MIB = 1024 * 1024


def values_of(record_bytes):
    """Half noise and half text: a codec makes about half of it."""
    source = random.Random(1)
    half = record_bytes // 2
    text = (b"what many records have in common: names of fields, units, places; " * half)[:half]
    return [source.randbytes(record_bytes - half) + text for _ in range(VALUE_COUNT)]


class Costs:
    def __init__(self):
        self.began = time.perf_counter()
        self.cpu = self.cpu_now()
        self.thread = time.thread_time()

    @staticmethod
    def cpu_now():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def report(self, record_count, payload_bytes, waited_s=None):
        main_ms = (time.thread_time() - self.thread) * 1000
        cpu_ms = (self.cpu_now() - self.cpu) * 1000
        return {
            "recordCount": record_count,
            "payloadBytes": payload_bytes,
            "elapsedMs": (time.perf_counter() - self.began) * 1000,
            "mainThreadMs": main_ms,
            "otherThreadsMs": max(0.0, cpu_ms - main_ms),
            "waitedMs": None if waited_s is None else waited_s * 1000,
        }


def send_for(producer, topic, values, duration_s):
    """Returns the number of records and for how long librdkafka had no room for the next one."""
    count, waited = 0, 0.0
    end = time.perf_counter() + duration_s
    while time.perf_counter() < end:
        for _ in range(RECORDS_PER_LOOK):
            try:
                producer.produce(topic, values[count % VALUE_COUNT], partition=0)
                count += 1
            except BufferError:
                began = time.perf_counter()
                producer.poll(0.001)
                waited += time.perf_counter() - began
        producer.poll(0)
    return count, waited


def produce(given):
    failures = []
    producer = Producer(
        {
            "bootstrap.servers": given["address"],
            "compression.type": given["codec"],
            "acks": "all",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "batch.num.messages": 100_000,
            "queue.buffering.max.messages": 65_536,
            "queue.buffering.max.kbytes": 256 * 1024,
            "delivery.report.only.error": True,
            "on_delivery": lambda error, _message: failures.append(error),
        }
    )
    values = values_of(given["recordBytes"])
    # Connected before the clock runs.
    producer.list_topics(given["topic"], PATIENCE_S)
    costs = Costs()
    count, waited = send_for(producer, given["topic"], values, given["durationMs"] / 1000)
    left = producer.flush(PATIENCE_S)
    if left or failures:
        sys.exit(f"{left} left, {failures[:1]}")
    return costs.report(count, count * given["recordBytes"], waited)


def consume(given):
    consumer = Consumer(
        {
            "bootstrap.servers": given["address"],
            "group.id": "no group",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "fetch.max.bytes": 32 * MIB,
            "max.partition.fetch.bytes": 8 * MIB,
            "queued.min.messages": 200_000,
            "queued.max.messages.kbytes": 256 * 1024,
        }
    )
    consumer.list_topics(given["topic"], PATIENCE_S)
    costs = Costs()
    consumer.assign([TopicPartition(given["topic"], 0, OFFSET_BEGINNING)])
    count, payload_bytes = 0, 0
    while count < given["recordCount"]:
        # It waits until it has all that were asked for.
        messages = consumer.consume(min(10_000, given["recordCount"] - count), PATIENCE_S)
        if not messages:
            sys.exit(f"nothing came after {count} records")
        for message in messages:
            if message.error():
                sys.exit(str(message.error()))
            payload_bytes += len(message)
        count += len(messages)
    report = costs.report(count, payload_bytes)
    consumer.close()
    return report


given = json.loads(sys.argv[1])
print(json.dumps({"produce": produce, "consume": consume}[given["mode"]](given)))
