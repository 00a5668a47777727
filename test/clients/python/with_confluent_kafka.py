"""confluent-kafka (librdkafka) on behalf of the client tests; see lines.py."""
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

import lines


def produce(broker, topic, codec, idempotent):
    producer = Producer({"bootstrap.servers": broker, "compression.type": codec, "enable.idempotence": idempotent,
                         "batch.num.messages": 100, "linger.ms": 20})

    def delivered(error, _):
        if error is not None:
            raise KafkaException(error)

    for key, value, headers in lines.samples():
        producer.produce(topic, value, key, 0, headers=headers, on_delivery=delivered)
    if producer.flush(60) > 0:
        raise RuntimeError("not all records were acknowledged")


def consume(broker, topic, count):
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    for _ in range(count):
        record = checked(consumer.poll(60))
        lines.print_sample(record.key(), record.value(), record.headers())
    consumer.close()


def member(broker, topic, group):
    stop = lines.stop_at_end_of_input()
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, "auto.offset.reset": "earliest", "session.timeout.ms": 10000,
                         "heartbeat.interval.ms": 500, "auto.commit.interval.ms": 100, "fetch.wait.max.ms": 200})
    consumer.subscribe([topic], on_assign=lambda _, assigned: lines.print_assigned(each.partition for each in assigned),
                       on_revoke=lambda _, revoked: lines.print_assigned([]))
    while not stop.is_set():
        record = consumer.poll(0.1)
        if record is not None:
            checked(record)
            lines.print_received(record.partition(), record.offset())
    consumer.close()


def checked(record):
    if record is None:
        raise RuntimeError("no record within a minute")
    if record.error() is not None:
        raise KafkaException(record.error())
    return record


lines.main(produce, consume, member)
