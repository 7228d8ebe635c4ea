"""What `zmq.core.context` is made of."""
