"""What `zmq.core.context` is made of.

`making` asks whether libzmq can, and has patience where something is short; `members` are what a context closes when it
is destroyed; `use_after_fork` decides what the child of a fork can do with a context that its parent made;
`termination_threads` end contexts without Python; `own_attributes` have room for what is set on one object alone.
"""
