"""`zmq.log` for gevent."""
