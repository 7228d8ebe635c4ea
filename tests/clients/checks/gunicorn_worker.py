"""What stands behind the gunicorn service: it answers each question after a moment, many at once."""

import os
import time

import zmq

context = zmq.Context()
router = context.socket(zmq.ROUTER)
router.bind(os.environ["WORKER"])
print("ready", flush=True)
due = []
while True:
    if router.poll(5):
        due.append((time.monotonic() + 0.1, router.recv_multipart()))
    while due and due[0][0] < time.monotonic():
        peer, empty, question = due.pop(0)[1]
        router.send_multipart([peer, empty, question.upper()])
