"""An application whose context is made before gunicorn forks its workers, and is first used in each of these."""

import os

KIND = os.environ["KIND"]
if KIND == "green":
    import zmq.green as zmq
else:
    import zmq

context = zmq.Context.instance() if os.environ["CONTEXT"] == "instance" else zmq.Context()


def application(environment, start_response):
    with context.socket(zmq.REQ) as socket:
        socket.connect(os.environ["WORKER"])
        socket.send(environment["PATH_INFO"].encode())
        answer = socket.recv()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Process", str(os.getpid()))])
    return [answer]
