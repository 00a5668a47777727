"""kafka-python on behalf of the client tests; see lines.py."""
from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition

import lines


def produce(broker, topic, codec, idempotent):
    producer = KafkaProducer(bootstrap_servers=broker, acks="all", compression_type=None if codec == "none" else codec,
                             enable_idempotence=idempotent, linger_ms=20, batch_size=4096)
    pending = [producer.send(topic, value, key, headers, 0) for key, value, headers in lines.samples()]
    for future in pending:
        future.get(30)
    producer.close()


def consume(broker, topic, count):
    consumer = KafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest", consumer_timeout_ms=60000)
    consumer.assign([TopicPartition(topic, 0)])
    for _, record in zip(range(count), consumer):
        lines.print_sample(record.key, record.value, record.headers)
    consumer.close()


def member(broker, topic, group):
    stop = lines.stop_at_end_of_input()
    consumer = KafkaConsumer(bootstrap_servers=broker, group_id=group, auto_offset_reset="earliest", session_timeout_ms=10000,
                             heartbeat_interval_ms=500, auto_commit_interval_ms=100, fetch_max_wait_ms=200)

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            pass

        def on_partitions_assigned(self, assigned):
            lines.print_assigned(each.partition for each in consumer.assignment())

    consumer.subscribe([topic], listener=Listener())
    while not stop.is_set():
        for records in consumer.poll(100).values():
            for record in records:
                lines.print_received(record.partition, record.offset)
    consumer.close()


lines.main(produce, consume, member)
