"""A pool of workers in asyncio: a ventilator hands out tasks, workers square them, a sink adds the results up.

python examples/asyncio_workers.py --seconds 2 --workers 4 --port 0
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import Counter

import zmq
import zmq.asyncio


async def work(context: zmq.asyncio.Context, name: str, tasks: str, results: str) -> None:
    """Take tasks and answer them until the program ends."""
    with context.socket(zmq.PULL) as source, context.socket(zmq.PUSH) as sink:
        source.rcvhwm = 1
        source.connect(tasks)
        sink.connect(results)
        while True:
            number = await source.recv_json()
            await asyncio.sleep(random.uniform(0.001, 0.01))
            await sink.send_json([name, number, number * number])


async def hand_out(socket: zmq.asyncio.Socket, end: float) -> int:
    """Send numbers until the time is over; return how many."""
    loop = asyncio.get_running_loop()
    sent = 0
    while loop.time() < end:
        await socket.send_json(sent)
        sent += 1
        await asyncio.sleep(0.001)
    return sent


async def main(seconds: float, workers: int, port: int) -> None:
    with zmq.asyncio.Context() as context, context.socket(zmq.PUSH) as tasks, context.socket(zmq.PULL) as results:
        tasks.sndhwm = 10
        tasks.bind(f"tcp://127.0.0.1:{port or '*'}")
        results.bind("inproc://results")
        where = tasks.get_string(zmq.LAST_ENDPOINT)
        pool = [asyncio.create_task(work(context, f"worker-{n}", where, "inproc://results")) for n in range(workers)]
        handing = asyncio.create_task(hand_out(tasks, asyncio.get_running_loop().time() + seconds))
        shares: Counter[str] = Counter()
        while not handing.done() or shares.total() < handing.result():
            if await results.poll(100):
                name, number, square = await results.recv_json()
                assert square == number * number
                shares[name] += 1
        for worker in pool:
            worker.cancel()
        await asyncio.gather(*pool, return_exceptions=True)
        for name, share in sorted(shares.items()):
            print(f"{name}: {share} tasks")
        print(f"{shares.total()} of {handing.result()} tasks done")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    options = parser.parse_args()
    asyncio.run(main(options.seconds, options.workers, options.port))
