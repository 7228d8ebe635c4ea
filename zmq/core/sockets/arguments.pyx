"""What users hand to the methods of sockets, and what is wrong with it.

Lives here: addresses, time-outs and parts of messages as libzmq takes them, and the errors for those it does not. What
must not: sockets. Called by `zmq.core.socket` and its bases, `zmq.core.poll` and `zmq.core.futures`.
"""

from zmq.core.libzmq cimport GREENZMQ_DRAFT
from zmq.core.waiting.clock cimport FOREVER

from zmq.core._text import describe, encode, without_user
from zmq.core.error import ZMQVersionError


cdef bytes encoded(text, str name):
    """Return an address or a group as libzmq takes it."""
    if isinstance(text, str):
        text = encode(text)
    if not isinstance(text, bytes):
        raise TypeError(f"Expected {name} to be str, got {name}={describe(text)}")
    if b"\0" in text:
        raise ValueError(f"{name} {without_user(text)} contains a zero byte")
    return text


cdef double seconds_of(timeout) except? -2:
    """Return a time-out of milliseconds in seconds; -1 for none, as with None, all that is negative, and infinity."""
    cdef double milliseconds
    if timeout is None:
        return -1
    milliseconds = timeout
    if milliseconds < 0 or milliseconds >= 1000 * FOREVER:
        return -1
    if milliseconds != milliseconds:
        raise ValueError(f"a time-out is a number, or None for none; got {timeout!r}")
    return milliseconds / 1000


cdef need_draft(str what):
    if not GREENZMQ_DRAFT:
        raise ZMQVersionError("4.2 with its draft API", what)


cdef no_buffer(number, data):
    """Return the error for a part of a message that can't be sent."""
    shown = describe(data)
    if isinstance(data, str):
        shown += ": encode it first, or use send_string"
    return TypeError(f"Frame {number} ({shown}) does not support the buffer interface.")


cdef several_frames(size_t count):
    """Return the error for a message that should have one frame."""
    return ValueError(f"the next message has {count} frames: receive it with multipart=True")
