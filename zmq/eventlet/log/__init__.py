"""`zmq.log` for eventlet."""
