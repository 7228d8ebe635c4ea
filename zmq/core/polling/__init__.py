"""What `zmq.core.poll` is made of."""
