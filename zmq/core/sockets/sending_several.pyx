"""Sending messages of several frames, and several messages.

Lives here: what becomes a part of a message, whole messages and batches. What must not: `send` of one frame, which is
where users find it, in `zmq.core.socket`; waiting. A base of `zmq.core.socket.Socket`.
"""

from cpython.buffer cimport PyBUF_ANY_CONTIGUOUS, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from libc.stdlib cimport free, malloc

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_EVENTS,
    ZMQ_POLLOUT,
    ZMQ_SNDHWM,
    ZMQ_SNDMORE,
    zmq_getsockopt,
    zmq_msg_size,
    zmq_send,
)
from zmq.core.message cimport Frame
from zmq.core.messages.whole_message_attempts cimport Outgoing, Part, discard, prepare_all, try_send
from zmq.core.messages.copy_threshold cimport size_of, threshold_of
from zmq.core.sockets cimport overrides
from zmq.core.sockets.arguments cimport no_buffer
from zmq.core.sockets.copies_without_gil cimport prepare_copies
from zmq.core.sockets.life cimport is_usable, overridden
from zmq.core.sockets.overrides cimport SEND
from zmq.core.sockets.wait_and_retry cimport DROPPED, WHOLE, cost_of_bytes, cost_of_frames, is_unobserved
from zmq.core.waiting.counters cimport uncount_again

from zmq.core.error import Again
from zmq.core.tracker import _FINISHED_TRACKER, MessageTracker

cdef enum:
    FEW = 4             # parts that need no allocation
    MOST_UNSEEN = 4096  # messages between two looks for room; a quarter of SNDHWM, if that is less


cdef class Sending(Operation):
    """A socket that sends."""

    @property
    def copy_threshold(self):
        """int : bytes from which on sending with ``copy=False`` does not copy; None sets it to `zmq.COPY_THRESHOLD`."""
        return self.threshold()

    @copy_threshold.setter
    def copy_threshold(self, value):
        self.own_threshold = -1 if value is None else size_of(value)

    cdef Py_ssize_t threshold(self) except -1:
        return self.own_threshold if self.own_threshold >= 0 else threshold_of(self.package_threshold)

    cdef Frame to_part(self, data, Part *part, copy, bint track, routing_id, group):
        """Fill in a part. Returns the frame that has to live until it is sent, or None."""
        cdef Frame frame
        if isinstance(data, Frame):
            frame = data
            if track and not frame.tracker:
                raise ValueError("Not a tracked message: make the Frame with track=True")
            part.source = &frame.zmq_msg
            part.size = zmq_msg_size(&frame.zmq_msg)
            return frame
        if isinstance(data, str):
            raise TypeError("unicode not allowed, use send_string")
        PyObject_GetBuffer(data, &part.view, PyBUF_ANY_CONTIGUOUS)
        try:
            lends = not copy and part.view.len >= self.threshold()
        except BaseException:
            PyBuffer_Release(&part.view)
            raise
        if lends:
            PyBuffer_Release(&part.view)
            frame = self.frame_class(data, track=track, copy=False)
            part.source = &frame.zmq_msg
            part.size = zmq_msg_size(&frame.zmq_msg)
            return frame
        part.held = True
        part.data = part.view.buf
        part.size = <size_t> part.view.len
        return None

    def send_multipart(self, msg_parts, int flags=0, copy=True, bint track=False, **kwargs):
        """Send a message of several frames, all of them or none.

        Parameters
        ----------
        msg_parts : iterable of bytes-like or Frame
        flags : int
            `NOBLOCK`; `SNDMORE` when more frames follow in another call.
        copy, track : bool
            As in `send`, for every frame.

        Returns
        -------
        MessageTracker or None
            As `send` returns it, for all the frames.

        Raises
        ------
        TypeError
            An element can't be sent; nothing was.
        IndexError
            There is no element.
        ValueError
            `track` for a `Frame` that is not tracked; nothing was sent.
        Again, ContextTerminated, ZMQError
            As in `send`.
        """
        cdef list parts
        if (
            type(msg_parts) is list
            and copy is True
            and flags == 0
            and not kwargs
            and not overridden(self) & SEND
            and self.try_small(<list> msg_parts)
        ):
            return None
        parts = list(msg_parts)
        if overridden(self) & SEND or kwargs or not parts:
            return self.send_each(parts, flags, copy, track, kwargs)
        return self.send_whole(parts, flags, copy, track)

    cdef bint try_small(self, list parts) noexcept:
        """Attempt to send a message of a few small frames of bytes, if that needs no ceremony; tell whether it went.

        A short cut through `send_whole`, which is called where this was in vain. Nothing of Python runs meanwhile, so
        nobody can change the list.
        """
        cdef Py_ssize_t count = PyList_GET_SIZE(parts)
        cdef Py_ssize_t i
        cdef Part few[FEW]
        cdef Outgoing out
        cdef size_t total = 0
        if count == 0 or count > FEW or self.message != WHOLE or self.owes_reply:
            return False
        for i in range(count):
            data = parts[i]
            if type(data) is not bytes:
                return False
            few[i].source = NULL
            few[i].data = PyBytes_AS_STRING(data)
            few[i].size = <size_t> PyBytes_GET_SIZE(data)
            total += few[i].size
        if total >= SMALL or not is_unobserved(self, 0):
            return False
        out.parts = few
        out.count = out.ready = <size_t> count
        out.more = 0
        out.drops = self.drops
        out.shares = False
        if prepare_all(&out, out.count) != 0 or try_send(self.handle, &out, ZMQ_DONTWAIT) != 0:
            discard(&out)
            return False
        count_sent(self, total, 0)
        note_sent(self, 0)
        return True

    cdef send_whole(self, list parts, int flags, copy, bint track):
        """Send a message of at least one frame."""
        cdef Py_ssize_t count = len(parts)
        cdef Py_ssize_t i = 0
        cdef Part few[FEW]
        cdef Outgoing out
        cdef Part *part
        cdef list frames = None
        cdef Frame frame
        cdef size_t total = 0
        cdef size_t copied = 0
        cdef int cost, err
        if not is_usable(self):
            self.usable()
        out.parts = few
        if count > FEW:
            out.parts = <Part *> malloc(<size_t> count * sizeof(Part))
            if out.parts == NULL:
                raise MemoryError()
        out.count = out.ready = <size_t> count
        out.more = flags & ZMQ_SNDMORE
        out.drops = self.drops
        out.shares = False
        for i in range(count):
            out.parts[i].held = False
        try:
            for i in range(count):
                part = &out.parts[i]
                part.source = NULL
                data = parts[i]
                if type(data) is bytes and copy:
                    part.data = PyBytes_AS_STRING(data)
                    part.size = <size_t> PyBytes_GET_SIZE(data)
                else:
                    if not isinstance(data, Frame) and not PyObject_CheckBuffer(data):
                        raise no_buffer(i, data)
                    frame = self.to_part(data, part, copy, track, None, None)
                    if frame is not None:
                        if frames is None:
                            frames = []
                        frames.append(frame)
                total += part.size
                if part.source == NULL:
                    copied += part.size
                else:
                    out.shares = True
            err = prepare_copies(&out, copied)
            if err:
                raise_errno(err)
            if self.message != DROPPED:
                cost = 1 + <int> cost_of_frames(<size_t> count) + <int> cost_of_bytes(total)
                self.operate(try_send, &out, flags & ~ZMQ_SNDMORE, ZMQ_POLLOUT, cost)
            if out.ready == out.count:
                # It was not dropped.
                count_sent(self, total, out.more)
            note_sent(self, out.more)
        finally:
            discard(&out)
            for i in range(count):
                if out.parts[i].held:
                    PyBuffer_Release(&out.parts[i].view)
            if out.parts != few:
                free(out.parts)
        if frames is None:
            return None if copy else _FINISHED_TRACKER
        trackers = [frame.tracker for frame in frames if frame.tracker is not None]
        if not trackers:
            return None
        return MessageTracker(*trackers)

    def send_many(self, messages, int flags=0, copy=True, *, bint multipart=False):
        """Send a batch of messages, one after another, in one call.

        Parameters
        ----------
        messages : iterable of bytes-like or Frame
            The messages, of one frame each; with `multipart` an iterable of the frames for each message.
        flags : int
            `NOBLOCK`.
        copy : bool
            As in `send`, for every frame.
        multipart : bool

        Returns
        -------
        int
            How many of the messages were sent: all of them, but with NOBLOCK those that there was room for, and with
            SNDTIMEO, which holds for each of them, those before the one for which it ran out.

        Raises
        ------
        TypeError, ContextTerminated, ZMQError
            As in `send` and `send_multipart`. The attribute `sent` of this, and of anything else that is raised while
            the call waits, says how many messages were sent.
        """
        cdef list batch = list(messages)
        # For methods that are replaced, which may not have these.
        cdef dict options = {}
        cdef Py_ssize_t i = 0
        if flags & ZMQ_SNDMORE:
            raise ValueError("send_many sends whole messages: SNDMORE means nothing here")
        if flags:
            options["flags"] = flags
        if copy is not True:
            options["copy"] = copy
        self.usable()
        try:
            for data in batch:
                if multipart:
                    if overridden(self) & SEND:
                        self.send_multipart(data, **options)
                    elif type(data) is list and data:
                        # Of its own: the caller's may change while it is sent.
                        self.send_whole(list(data), flags, copy, False)
                    else:
                        overrides.socket_class.send_multipart(self, data, flags, copy)
                elif overridden(self) & SEND:
                    self.send(data, **options)
                elif (
                    type(data) is bytes
                    and PyBytes_GET_SIZE(data) < SMALL
                    and copy is True
                    and self.message == WHOLE
                    and is_unobserved(self, flags)
                    and zmq_send(
                        self.handle, PyBytes_AS_STRING(data), <size_t> PyBytes_GET_SIZE(data), flags | ZMQ_DONTWAIT
                    ) >= 0
                ):
                    count_sent(self, <size_t> PyBytes_GET_SIZE(data), 0)
                else:
                    overrides.socket_class.send(self, data, flags, copy)
                i += 1
        except Again:
            if not overridden(self) & SEND:
                uncount_again(&self.traffic.sent)
        except BaseException as error:
            error.sent = i
            raise
        return i

    cdef send_each(self, list parts, int flags, copy, track, dict kwargs):
        """Send a message through the `send` of a subclass, frame by frame."""
        for i, data in enumerate(parts):
            if isinstance(data, (Frame, bytes)):
                continue
            if isinstance(data, str) or not PyObject_CheckBuffer(data):
                raise no_buffer(i, data)
        if not parts:
            raise IndexError("a message has at least one frame")
        for data in parts[:-1]:
            self.send(data, ZMQ_SNDMORE | flags, copy=copy, track=track, **kwargs)
        return self.send(parts[-1], flags, copy=copy, track=track, **kwargs)

    cdef void look_for_room(self) noexcept:
        """Have libzmq hear which queues have room again, where a message that finds one full is dropped.

        It hears of that about once in a millisecond otherwise (socket_base_t::process_commands, throttled), in which
        more is sent than a queue has room for. A queue tells when half of its messages were read (pipe_t, LWM).
        """
        cdef int number = 0
        cdef size_t size = sizeof(int)
        cdef int after = MOST_UNSEEN
        zmq_getsockopt(self.handle, ZMQ_SNDHWM, &number, &size)
        if number > 0:
            after = min(after, max(1, number // 4))
        self.traffic.next_look = self.traffic.sent.messages + after
        zmq_getsockopt(self.handle, ZMQ_EVENTS, &number, &size)
        if self.trampoline is not None and self.trampoline.interest:
            # The look may have stilled the bell for others.
            self.trampoline.notify()
