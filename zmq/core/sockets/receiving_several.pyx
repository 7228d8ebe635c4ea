"""Receiving messages of several frames, and several messages.

Lives here: what a received message becomes, whole messages, batches, and receiving into a buffer. What must not: `recv`
of one frame, which is where users find it, in `zmq.core.socket`; waiting. A base of `zmq.core.socket.Socket`.
"""

from cpython.buffer cimport PyBUF_ANY_CONTIGUOUS, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer, Py_buffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_POLLIN,
    zmq_msg_close,
    zmq_msg_data,
    zmq_msg_init,
    zmq_msg_more,
    zmq_msg_recv,
    zmq_msg_size,
    zmq_msg_t,
)
from zmq.core.message cimport Frame, frame_of
from zmq.core.messages.deliveries cimport return_message, try_returned
from zmq.core.messages.whole_message_attempts cimport AS_SET, Incoming, expect, received_bytes, release, try_recv
from zmq.core.sockets.arguments cimport seconds_of, several_frames
from zmq.core.sockets.copies_without_gil cimport copies_freely, locked_again
from zmq.core.sockets.life cimport is_usable, overridden
from zmq.core.sockets.overrides cimport RECV
from zmq.core.sockets.wait_and_retry cimport cost_of_bytes, cost_of_frames
from zmq.core.waiting cimport budget
from zmq.core.waiting.budget cimport is_time_to_yield
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.counters cimport count_received, uncount_again

from zmq.core.constants import SocketOption
from zmq.core.error import Again
from zmq.core.tracker import _FINISHED_TRACKER


cdef class Receiving(Sending):
    """A socket that receives."""

    cdef bytes as_bytes(self, zmq_msg_t *msg, size_t length):
        """Turn a message of this length into bytes and close it."""
        try:
            return self.bytes_of(msg, length)
        finally:
            zmq_msg_close(msg)

    cdef bytes bytes_of(self, zmq_msg_t *msg, size_t length):
        """Return a copy of a message of this length."""
        cdef Py_ssize_t size = <Py_ssize_t> length
        cdef bytes data
        cdef char *target
        cdef void *source
        cdef double copied
        if not copies_freely(size):
            budget.fuel -= cost_of_bytes(size)
            return PyBytes_FromStringAndSize(<const char *> zmq_msg_data(msg), size)
        data = PyBytes_FromStringAndSize(NULL, size)
        target = PyBytes_AS_STRING(data)
        source = zmq_msg_data(msg)
        with nogil:
            memcpy(target, source, <size_t> size)
            copied = monotonic()
        locked_again(copied)
        budget.fuel -= cost_of_bytes(size)
        return data

    cdef int take(self, Incoming *incoming, int flags) except -1:
        """Receive one frame or message, whatever that takes, and count it."""
        self.operate(try_recv, incoming, flags, ZMQ_POLLIN, 1)
        count_received(self.traffic, incoming.bytes, incoming.ended)
        return 0

    cdef Frame as_frame(self, zmq_msg_t *msg, bint track):
        """Turn a message into a frame."""
        cdef bint more = zmq_msg_more(msg)
        cdef Frame frame
        try:
            frame = frame_of(msg, self.frame_class)
        except BaseException:
            zmq_msg_close(msg)
            raise
        frame.more = more
        if track:
            frame.tracker = _FINISHED_TRACKER
        return frame

    cdef list as_parts(self, Incoming *incoming, copy, bint track):
        """Turn a message into what its frames are received as, and release it."""
        cdef size_t i
        cdef list parts = []
        try:
            budget.fuel -= cost_of_frames(incoming.count)
            for i in range(incoming.count):
                if copy:
                    parts.append(self.as_bytes(&incoming.frames[i], zmq_msg_size(&incoming.frames[i])))
                else:
                    parts.append(self.as_frame(&incoming.frames[i], track))
                # Closed or moved: closing it again with the others does no harm.
                zmq_msg_init(&incoming.frames[i])
            return parts
        finally:
            release(incoming)

    def recv_multipart(self, int flags=0, copy=True, bint track=False):
        """Receive a whole message.

        Parameters
        ----------
        flags, copy, track
            As in `recv`.

        Returns
        -------
        list of bytes or Frame

        Raises
        ------
        Again, ContextTerminated, ZMQError
            As in `recv`.
        """
        cdef Incoming incoming
        cdef list parts
        if overridden(self) & RECV:
            parts = [self.recv(flags, copy=copy, track=track)]
            while self.get(SocketOption.RCVMORE):
                parts.append(self.recv(flags, copy=copy, track=track))
            return parts
        expect(&incoming, True)
        self.take(&incoming, flags)
        return self.as_parts(&incoming, copy, track)

    def recv_many(self, Py_ssize_t max=1000, timeout=None, *, int flags=0, copy=True, bint multipart=False):
        """Receive a batch: wait for a message, then take those that are there too.

        Parameters
        ----------
        max : int
            How many messages to take at most.
        timeout : float, optional
            For how many milliseconds to wait for the first message; negative for ever, None for as long as RCVTIMEO
            says.
        flags : int
            `NOBLOCK`.
        copy : bool
            As in `recv`.
        multipart : bool
            Whether messages may have several frames.

        Returns
        -------
        list
            The messages, as `recv` returns them, or with `multipart` as `recv_multipart` does. It is empty when the
            time ran out. A call that may wait in a hub ends with those that it has when other greenlets must have their
            turn.

        Raises
        ------
        ValueError
            `max` is less than 1, or `timeout` no number. Or the next message has several frames and `multipart` is
            false: it remains there.
        ContextTerminated, ZMQError
            As in `recv`. What was received before an error is returned; the next call raises it.
        """
        cdef Incoming incoming
        cdef zmq_msg_t *msg = &incoming.few[0]
        cdef list messages = []
        cdef list parts
        cdef size_t i
        cdef int received
        if max < 1:
            raise ValueError(f"max={max}, must be at least 1")
        expect(&incoming, True)
        if timeout is not None:
            incoming.timeout = 1000 * seconds_of(timeout)
            if incoming.timeout < 0:
                incoming.timeout = -1
        if overridden(self) & RECV:
            return self.recv_each(max, incoming.timeout, flags, copy, multipart)
        # If it is time to let others run, then before the batch and not in its midst.
        budget.set_fuel(0)
        try:
            self.take(&incoming, flags)
        except Again:
            uncount_again(&self.traffic.received)
            return messages
        try:
            while True:
                if incoming.count > 1 and not multipart:
                    error = several_frames(incoming.count)
                    return_message(self.waited(), &incoming, False)
                    if not messages:
                        raise error
                    break
                if not copy:
                    messages.append(self.as_parts(&incoming, False, False) if multipart else self.as_frame(msg, False))
                elif multipart:
                    parts = []
                    for i in range(incoming.count):
                        parts.append(self.bytes_of(&incoming.frames[i], zmq_msg_size(&incoming.frames[i])))
                    messages.append(parts)
                    release(&incoming)
                else:
                    messages.append(self.bytes_of(msg, zmq_msg_size(msg)))
                    zmq_msg_close(msg)
                incoming.count = 0
                if len(messages) >= max or not is_usable(self):
                    break
                budget.fuel -= 1
                if budget.fuel <= 0 and self.get_hub is not None and not flags & ZMQ_DONTWAIT and is_time_to_yield():
                    break
                expect(&incoming, True)
                if self.trampoline is not None and self.trampoline.returned is not None:
                    if try_returned(self.trampoline, &incoming) != 0:
                        break
                else:
                    zmq_msg_init(msg)
                    received = zmq_msg_recv(msg, self.handle, ZMQ_DONTWAIT)
                    if received < 0:
                        break
                    incoming.count = 1
                    incoming.bytes = received_bytes(received, msg)
                    incoming.ended = not zmq_msg_more(msg)
                    if not incoming.ended and try_recv(self.handle, &incoming, ZMQ_DONTWAIT) != 0:
                        break
                count_received(self.traffic, incoming.bytes, incoming.ended)
        except MemoryError:
            # Too large a message, for example: those before it are not lost with it, nor is it.
            if copy and incoming.count:
                try:
                    return_message(self.waited(), &incoming, False)
                finally:
                    release(&incoming)
            if not messages:
                raise
        self.operated()
        return messages

    cdef list recv_each(self, Py_ssize_t max, double timeout, int flags, copy, bint multipart):
        """Receive a batch through the `recv` of a subclass."""
        cdef list messages = []
        if timeout != AS_SET and not self.poll(timeout):
            return messages
        try:
            while len(messages) < max:
                messages.append(
                    self.recv_multipart(flags=flags, copy=copy) if multipart else self.recv(flags=flags, copy=copy)
                )
                flags |= ZMQ_DONTWAIT
        except Again:
            pass
        return messages

    def recv_into(self, buffer, /, *, Py_ssize_t nbytes=0, int flags=0):
        """Receive one frame into a buffer.

        Parameters
        ----------
        buffer : writable bytes-like
            What does not fit is cut off.
        nbytes : int
            How many bytes to use at most; 0 for all of the buffer.
        flags : int
            As in `recv`.

        Returns
        -------
        int
            The size of the frame in bytes: more than `nbytes` or the buffer has where the rest was cut off.

        Raises
        ------
        BufferError
            The buffer is read-only or not contiguous; nothing was received.
        ValueError
            `nbytes` is negative or larger than the buffer; nothing was received.
        Again, ContextTerminated, ZMQError
            As in `recv`.

        Notes
        -----
        Source: zmq_recv(3).
        """
        cdef Incoming incoming
        cdef Py_buffer view
        cdef size_t size
        PyObject_GetBuffer(buffer, &view, PyBUF_ANY_CONTIGUOUS | PyBUF_WRITABLE)
        try:
            if nbytes < 0:
                raise ValueError(f"nbytes={nbytes}, must be at least 0")
            if nbytes > view.len:
                raise ValueError(f"nbytes={nbytes} too big for a buffer of {view.len} bytes")
            expect(&incoming, False)
            self.take(&incoming, flags)
            size = zmq_msg_size(&incoming.few[0])
            memcpy(view.buf, zmq_msg_data(&incoming.few[0]), min(size, <size_t> (nbytes or view.len)))
            zmq_msg_close(&incoming.few[0])
            return size
        finally:
            PyBuffer_Release(&view)
