# Nothing for Python code: what blocks a thread is called by `zmq.core.poll`.
