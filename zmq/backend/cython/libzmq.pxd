from zmq.core.libzmq cimport *
