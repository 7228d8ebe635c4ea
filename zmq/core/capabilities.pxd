# Nothing of C: what is here is called from Python. `zmq.core.libzmq` has the functions of libzmq that it calls.
