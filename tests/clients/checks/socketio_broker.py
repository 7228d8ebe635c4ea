"""The broker that python-socketio's `ZmqManager` needs: from PULL to PUB."""

import sys

import zmq

context = zmq.Context()
receiver, publisher = context.socket(zmq.PULL), context.socket(zmq.PUB)
receiver.bind(f"tcp://127.0.0.1:{sys.argv[1]}")
publisher.bind(f"tcp://127.0.0.1:{sys.argv[2]}")
print("ready", flush=True)
while True:
    publisher.send(receiver.recv())
