"""Messages on their way between Python and libzmq.

Lives here: the attempts to send and to receive one, memory that is lent to libzmq, messages that were received and
given back. What must not: waiting. The public classes are in `zmq.core.message` and `zmq.core.tracker`.
"""
