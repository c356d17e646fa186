"""What librdkafka sends as an idempotent producer, as an administrator and for offsets of moments."""

import sys

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

bootstrap = {"bootstrap.servers": sys.argv[1]}

admin = AdminClient(bootstrap)
topic = NewTopic("python", num_partitions=2, replication_factor=1, config={"retention.ms": "60000"})
for future in admin.create_topics([topic]).values():
    future.result(10)

producer = Producer({**bootstrap, "enable.idempotence": True})
for index in range(3):
    producer.produce("python", f"value {index}", key="key", partition=1, headers={"name": b"value"})
producer.produce("python", None, key="tombstone", partition=0)
producer.flush(10)

consumer = Consumer({**bootstrap, "group.id": "none", "enable.auto.commit": False})
consumer.offsets_for_times([TopicPartition("python", 1, 1_000)], 10)
consumer.assign([TopicPartition("python", 0, 0), TopicPartition("python", 1, 0)])
while consumer.poll(10) is None:
    pass
consumer.close()

for future in admin.delete_topics(["python"]).values():
    future.result(10)
print("librdkafka", confluent_kafka.libversion()[0])
