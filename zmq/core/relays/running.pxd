from zmq.core.relays.loop cimport Relay
from zmq.core.socket cimport Socket
from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.trampoline cimport Trampoline
from zmq.core.waiting.owner_interface cimport Owner


cdef class RunningRelay(Owner):
    cdef Relay relay
    cdef Trampoline front, back     # of the two ends
    cdef list sockets           # all of them, and their shadows
    cdef object prefixes
    cdef int stopper            # makes `relay.stop` readable
    cdef int ended              # becomes readable when the loop has ended
    cdef bint looping           # in a thread, without the GIL
    cdef bint threaded          # in a native thread that was not joined yet
    cdef bint over              # the sockets were given back
    cdef bint socket_closed     # because one of them is being closed

    cdef int take(self, Socket frontend, Socket backend, Socket capture, Socket control) except -1
    cdef int give_back(self) except -1
    cdef int end(self) except -1
    cdef int operated(self) except -1
    cdef int in_this_thread(self) except -1
    cdef int in_native_thread(self, Hub hub) except -1


cdef relay_between(Socket frontend, Socket backend, Socket capture, Socket control, tuple prefixes, bint block)
