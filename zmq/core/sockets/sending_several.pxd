from zmq.core.message cimport Frame
from zmq.core.messages.whole_message_attempts cimport Part
from zmq.core.sockets.wait_and_retry cimport BEGUN, WHOLE, Operation

cdef enum:
    # Up to here a message that must be copied again, because there is no room, costs next to nothing.
    SMALL = 4096


cdef class Sending(Operation):
    cdef Py_ssize_t threshold(self) except -1
    cdef Frame to_part(self, data, Part *part, copy, bint track, routing_id, group)
    cdef bint try_small(self, list parts) noexcept
    cdef send_whole(self, list parts, int flags, copy, bint track)
    cdef send_each(self, list parts, int flags, copy, track, dict kwargs)
    cdef void look_for_room(self) noexcept


cdef inline void count_sent(Sending socket, size_t size, int more) noexcept:
    """Libzmq took a frame, or all that a call sent of a message, with or without SNDMORE."""
    socket.traffic.sent.bytes += size
    if not more:
        socket.traffic.sent.messages += 1
        if socket.traffic.sent.messages >= socket.traffic.next_look:
            socket.look_for_room()


cdef inline void note_sent(Sending socket, int more) noexcept:
    """One frame, or a message that ends with or without SNDMORE, is on its way."""
    if not more:
        socket.message = WHOLE
        socket.expects_reply = socket.trampoline is not None and socket.trampoline.handover.is_trusted
    elif socket.message == WHOLE:
        socket.message = BEGUN
