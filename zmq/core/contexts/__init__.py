"""What `zmq.core.context` is made of.

`making` asks whether libzmq can, and has patience where something is short; `members` are what a context closes when it
is destroyed; `termination_threads` end contexts without Python. What a child of a fork does with one is in `Context`.
"""
