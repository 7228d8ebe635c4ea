from zmq.core.socket cimport Socket


cdef relay_between(Socket frontend, Socket backend, Socket capture, Socket control, tuple prefixes, bint block)
