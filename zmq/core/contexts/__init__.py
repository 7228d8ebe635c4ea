"""What `zmq.core.context` is made of.

`making` asks whether libzmq can, and has patience where something is short; `members` are what a context closes when it
is destroyed; `termination` ends contexts in native threads. What a child of a fork does with a context is in `Context`.
"""
