"""What stands behind the web service: a ROUTER that answers in capitals, and a publisher of numbers."""

import os
import threading
import time

import zmq

context = zmq.Context()


def publish():
    socket = context.socket(zmq.PUB)
    socket.bind(os.environ["NEWS"])
    number = 0
    while True:
        socket.send(f"news {number}".encode())
        number += 1
        time.sleep(0.02)


threading.Thread(target=publish, daemon=True).start()
router = context.socket(zmq.ROUTER)
router.bind(os.environ["WORKER"])
print("ready", flush=True)
while True:
    peer, number, question = router.recv_multipart()
    router.send_multipart([peer, number, question.upper()])
