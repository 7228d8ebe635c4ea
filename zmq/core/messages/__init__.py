"""Messages on their way between Python and libzmq.

Lives here: attempts to send or receive one as a whole (`whole_message_attempts`), memory that is lent to libzmq
(`lent_memory`) and from which size on (`copy_threshold`), messages that were received and given back (`deliveries`).
What must not: waiting. The public classes are in `zmq.core.message` and `zmq.core.tracker`.
"""
