"""What `zmq.core.device` is made of: messages that are relayed between two sockets.

`loop` moves them, in C; `running` lends it the sockets and waits for its end.
"""
