# The attempt: one message, whole, sent or received without waiting.
#
# Lives here: try_send and try_recv, noexcept nogil; they return 0 or libzmq's error code, never raise and
# never wait unless the flags they are given let libzmq do so, which only those of thread-safe sockets do: their
# messages have a single frame. Called by all that moves messages: sockets, futures and proxies.
#
# Why a whole message is one attempt. Frames 2 to n of a message that is being received are already there
# (pipe_t::flush and read work on whole messages), and frames 2 to n of one that is being sent meet no
# high-water mark (pipe_t::check_hwm counts messages). They fail for one reason only: the pipe died between
# two frames. lb_t::sendpipe then rolls back what the pipe had and returns EAGAIN to a call with DONTWAIT.
# A caller that waits and tries that one frame again sends the end of a message as a message of its own,
# to another peer. So the message starts again from its first frame. Since 4.3.3 libzmq first wants to see
# the rest of the message it gave up, and drops it (lb_t::_dropping); an empty last frame is rest enough.
#
# A signal that arrives while libzmq looks at its commands fails even a call with DONTWAIT, before the call has done
# anything (socket_base_t::process_commands, signaler_t::wait: EINTR). Such a call is repeated at once; a call that
# may wait returns EINTR instead, so that the caller can look at signals.

from cpython.buffer cimport Py_buffer
from libc.errno cimport EAGAIN, EINTR, ENOMEM
from libc.limits cimport INT_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_SNDMORE,
    zmq_errno,
    zmq_msg_close,
    zmq_msg_copy,
    zmq_msg_data,
    zmq_msg_init,
    zmq_msg_init_size,
    zmq_msg_more,
    zmq_msg_move,
    zmq_msg_recv,
    zmq_msg_send,
    zmq_msg_size,
    zmq_msg_t,
    zmq_send,
)
from zmq.core.waiting.wakeable_threads cimport attempt_t

cdef extern from "waiting/gil.h" nogil:
    int NO_GIL "GREENZMQ_NO_GIL"
    int HELD "GREENZMQ_HELD"
    int take_gil "greenzmq_take_gil"()
    void leave_gil "greenzmq_leave_gil"(int taken)


cdef struct Part:
    const void *data    # what to copy
    size_t size
    zmq_msg_t *source   # or, when not NULL, the message to send by reference
    zmq_msg_t msg       # what libzmq gets
    bint held           # whether `view` holds `data`; for bytes a reference does
    Py_buffer view


cdef struct Outgoing:
    Part *parts
    size_t count
    size_t ready        # parts[ready:] hold a message in `msg`
    int more            # SNDMORE when the caller goes on with the same message
    bint drops          # whether libzmq wants the rest of a message whose pipe died
    bint shares         # whether any part has a source, which other threads may be sending too


cdef inline int allocate(Part *part) noexcept nogil:
    """Make `msg`: the only step of a send that can run out of memory, so it comes first.

    A source is copied with the GIL held: libzmq begins to count the references to a message when it is copied for the
    first time, and nothing but the GIL keeps two threads from doing that at once (msg_t::copy).
    """
    if part.source != NULL:
        zmq_msg_init(&part.msg)
        return 0 if zmq_msg_copy(&part.msg, part.source) == 0 else zmq_errno()
    return 0 if zmq_msg_init_size(&part.msg, part.size) == 0 else zmq_errno()


cdef inline void fill(Part *part) noexcept nogil:
    """Copy the contents into `msg`; the GIL is not needed."""
    if part.source == NULL and part.size:
        memcpy(zmq_msg_data(&part.msg), part.data, part.size)


cdef inline void discard(Outgoing *out) noexcept nogil:
    """Close the messages that were prepared and not sent."""
    while out.ready < out.count:
        zmq_msg_close(&out.parts[out.ready].msg)
        out.ready += 1


cdef inline int allocate_all(Outgoing *out, size_t end) noexcept nogil:
    """Make the messages of parts[:end], with the GIL held if the message `shares`."""
    cdef int err
    while end > 0:
        end -= 1
        err = allocate(&out.parts[end])
        if err:
            return err
        out.ready = end
    return 0


cdef inline void fill_all(Outgoing *out, size_t end) noexcept nogil:
    """Fill the messages of parts[:end]."""
    cdef size_t i
    for i in range(end):
        fill(&out.parts[i])


cdef inline int prepare_all(Outgoing *out, size_t end) noexcept nogil:
    """Prepare parts[:end], the ones libzmq took in an attempt that failed or all at first."""
    cdef int err = allocate_all(out, end)
    if err == 0:
        fill_all(out, end)
    return err


cdef inline int prepare_again(Outgoing *out, size_t end) noexcept nogil:
    """Prepare parts[:end] once more, with or without the GIL."""
    cdef int gil = HELD
    cdef int err
    if out.shares:
        gil = take_gil()
        if gil == NO_GIL:
            # Whoever looks at signals now wants the GIL, and does not come back.
            return EINTR
    err = prepare_all(out, end)
    leave_gil(gil)
    return err


cdef inline void end_dropped(void *handle) noexcept nogil:
    """Tell libzmq that the message ends of which it drops the rest."""
    while zmq_send(handle, NULL, 0, ZMQ_DONTWAIT) < 0 and zmq_errno() == EINTR:
        pass


cdef inline int try_send(void *handle, void *transfer, int flags) noexcept nogil:
    """Send a whole message; flags without SNDMORE. Unless 0 is returned nothing was sent."""
    cdef Outgoing *out = <Outgoing *> transfer
    cdef size_t i
    cdef int frame_flags, err
    while True:
        i = 0
        while i < out.count:
            frame_flags = flags | (ZMQ_SNDMORE if i + 1 < out.count else out.more)
            if zmq_msg_send(&out.parts[i].msg, handle, frame_flags) < 0:
                err = zmq_errno()
                if err == EINTR and flags & ZMQ_DONTWAIT:
                    continue
                break
            i += 1
            out.ready = i
        else:
            return 0
        if i == 0 or err != EAGAIN:
            return err
        # The pipe died between two frames.
        if out.drops and i + 1 < out.count:
            end_dropped(handle)
        err = prepare_again(out, i)
        if err:
            return err


cdef enum:
    INLINE_FRAMES = 4
    AS_SET = -2         # the time-out that RCVTIMEO or SNDTIMEO says


cdef struct Incoming:
    size_t bytes        # that libzmq gave, in all frames
    bint ended          # whether the last frame that libzmq gave was the last of its message
    zmq_msg_t *frames   # `few`, or an array of `capacity` on the heap
    size_t count
    size_t capacity
    bint whole          # take the whole message, not one frame of it
    double timeout      # milliseconds to wait for it, -1 for ever, or AS_SET
    zmq_msg_t few[INLINE_FRAMES]


cdef inline void expect(Incoming *incoming, bint whole) noexcept nogil:
    """Make ready for an attempt."""
    incoming.bytes = 0
    incoming.ended = False
    incoming.frames = incoming.few
    incoming.count = 0
    incoming.capacity = INLINE_FRAMES
    incoming.whole = whole
    incoming.timeout = AS_SET


cdef inline void release(Incoming *incoming) noexcept nogil:
    """Give back the frames that are still held."""
    cdef size_t i
    incoming.bytes = 0
    for i in range(incoming.count):
        zmq_msg_close(&incoming.frames[i])
    incoming.count = 0
    if incoming.frames != incoming.few:
        free(incoming.frames)
        incoming.frames = incoming.few


cdef inline int grow(Incoming *incoming) noexcept nogil:
    """Double the room for frames."""
    cdef size_t i
    cdef zmq_msg_t *larger = <zmq_msg_t *> malloc(2 * incoming.capacity * sizeof(zmq_msg_t))
    if larger == NULL:
        return ENOMEM
    for i in range(incoming.count):
        zmq_msg_init(&larger[i])
        zmq_msg_move(&larger[i], &incoming.frames[i])
    if incoming.frames != incoming.few:
        free(incoming.frames)
    incoming.frames = larger
    incoming.capacity *= 2
    return 0


cdef inline void skip_rest(void *handle) noexcept nogil:
    """Take the rest of a message off the socket, so that the next receive starts with a message."""
    cdef zmq_msg_t frame
    cdef bint more = True
    zmq_msg_init(&frame)
    while more:
        if zmq_msg_recv(&frame, handle, ZMQ_DONTWAIT) < 0:
            if zmq_errno() == EINTR:
                continue
            break
        more = zmq_msg_more(&frame)
    zmq_msg_close(&frame)


cdef inline size_t received_bytes(int returned, zmq_msg_t *frame) noexcept nogil:
    """Return the size of a frame, by what zmq_msg_recv returned, which has no room for all of them."""
    return <size_t> returned if returned < INT_MAX else zmq_msg_size(frame)


cdef inline int try_recv(void *handle, void *transfer, int flags) noexcept nogil:
    """Receive a whole message, or one frame. Unless 0 is returned nothing is held."""
    cdef Incoming *incoming = <Incoming *> transfer
    cdef zmq_msg_t *frame
    cdef int err, size
    while True:
        if incoming.count == incoming.capacity:
            err = grow(incoming)
            if err:
                skip_rest(handle)
                release(incoming)
                return err
        frame = &incoming.frames[incoming.count]
        zmq_msg_init(frame)
        size = zmq_msg_recv(frame, handle, flags)
        if size < 0:
            err = zmq_errno()
            if err == EINTR and flags & ZMQ_DONTWAIT:
                continue
            release(incoming)
            return err
        incoming.count += 1
        incoming.bytes += received_bytes(size, frame)
        incoming.ended = not zmq_msg_more(frame)
        if incoming.ended or not incoming.whole:
            return 0
