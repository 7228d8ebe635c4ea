"""Messages on their way between Python and libzmq.

Lives here: how one is sent or received as a whole (`whole_messages`), memory that is lent to libzmq (`lent_memory`),
messages that were received and given back (`deliveries`). What must not: waiting. The public classes are in
`zmq.core.message` and `zmq.core.tracker`.
"""
