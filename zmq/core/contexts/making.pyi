# Nothing for Python code: `zmq.core.context` and `zmq.core.socket` call it.
