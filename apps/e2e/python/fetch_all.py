"""fetch_all.py HOST PORT TOPIC: writes every value of partition 0 to standard output, a line each.

The client of this directory reads no compressed batches: what it gets, the broker has inflated.
"""
import sys

import millrace_client


def main(host, port, topic):
    with millrace_client.Client(host, int(port)) as client:
        handle = client.topic(millrace_client.TOPIC_OPEN, topic)["handle"]
        offset = 0
        while True:
            fetched = client.fetch(handle, 0, offset, min_bytes=0)
            if not fetched.records:
                return
            for record in fetched.records:
                sys.stdout.buffer.write(record.value + b"\n")
            offset = fetched.next_offset


main(*sys.argv[1:])
