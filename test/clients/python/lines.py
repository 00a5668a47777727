"""What the three programs in this folder share: their command line and the JSON lines they speak.

    PROGRAM produce BROKER TOPIC CODEC IDEMPOTENT   records on stdin, to partition 0
    PROGRAM consume BROKER TOPIC COUNT              records on stdout, from the start of partition 0
    PROGRAM member BROKER TOPIC GROUP               events on stdout, until stdin ends
"""
import json
import sys
import threading


def encode(text):
    return None if text is None else text.encode()


def decode(data):
    return None if data is None else bytes(data).decode()


def samples():
    """The records on stdin: (key, value, headers) in bytes."""
    for line in sys.stdin:
        record = json.loads(line)
        yield encode(record["key"]), encode(record["value"]), [(name, encode(value)) for name, value in record["headers"]]


def print_sample(key, value, headers):
    pairs = [[name, decode(data)] for name, data in headers or []]
    print(json.dumps({"key": decode(key), "value": decode(value), "headers": pairs}))


def print_assigned(partitions):
    print('{"assigned":%s}' % json.dumps(sorted(partitions)), flush=True)


def print_received(partition, offset):
    print('{"partition":%d,"offset":%d}' % (partition, offset), flush=True)


def stop_at_end_of_input():
    """An event that is set when stdin ends."""
    stop = threading.Event()

    def wait():
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    return stop


def main(produce, consume, member):
    command, broker, topic, *rest = sys.argv[1:]
    if command == "produce":
        produce(broker, topic, rest[0], rest[1] == "true")
    elif command == "consume":
        consume(broker, topic, int(rest[0]))
    elif command == "member":
        member(broker, topic, rest[0])
    else:
        sys.exit(f"{command}: no such command")
