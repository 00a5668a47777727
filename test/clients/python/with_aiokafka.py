"""aiokafka on behalf of the client tests; see lines.py."""
import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition

import lines


async def produce(broker, topic, codec, idempotent):
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", compression_type=None if codec == "none" else codec,
                                enable_idempotence=idempotent, linger_ms=20, max_batch_size=300000, max_request_size=300000)
    async with producer:
        pending = [await producer.send(topic, value, key, 0, headers=headers) for key, value, headers in lines.samples()]
        await asyncio.gather(*pending)


async def consume(broker, topic, count):
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest")
    async with consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        for _ in range(count):
            record = await asyncio.wait_for(consumer.getone(), 60)
            lines.print_sample(record.key, record.value, record.headers)


async def member(broker, topic, group):
    stop = lines.stop_at_end_of_input()

    class Listener(ConsumerRebalanceListener):
        async def on_partitions_revoked(self, revoked):
            pass

        async def on_partitions_assigned(self, assigned):
            lines.print_assigned(each.partition for each in assigned)

    consumer = AIOKafkaConsumer(bootstrap_servers=broker, group_id=group, auto_offset_reset="earliest", session_timeout_ms=10000,
                                heartbeat_interval_ms=500, auto_commit_interval_ms=100, fetch_max_wait_ms=200)
    consumer.subscribe([topic], listener=Listener())
    async with consumer:
        while not stop.is_set():
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    lines.print_received(record.partition, record.offset)


def blocking(coroutine):
    return lambda *arguments: asyncio.run(coroutine(*arguments))


lines.main(blocking(produce), blocking(consume), blocking(member))
