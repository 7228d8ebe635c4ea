"""`Frame`: one part of a message, in memory that it shares with libzmq.

Lives here: frames and their properties. What must not: sending, receiving, waiting, and from which size on memory is
shared (`zmq.core.messages.copy_threshold`). Called by `zmq.core.socket` and by users who send or receive with
``copy=False``.
"""

import weakref

from cpython.buffer cimport (
    PyBUF_ANY_CONTIGUOUS,
    Py_buffer,
    PyBuffer_FillInfo,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport ENOMEM
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from zmq.core.check cimport check, raise_errno
from zmq.core.libzmq cimport (
    GREENZMQ_DRAFT,
    ZMQ_SHARED,
    zmq_errno,
    zmq_msg_close,
    zmq_msg_copy,
    zmq_msg_data,
    zmq_msg_get,
    zmq_msg_gets,
    zmq_msg_group,
    zmq_msg_init,
    zmq_msg_init_size,
    zmq_msg_move,
    zmq_msg_routing_id,
    zmq_msg_set,
    zmq_msg_set_group,
    zmq_msg_set_routing_id,
    zmq_msg_size,
)
from zmq.core.messages.copy_threshold cimport threshold_of
from zmq.core.messages.lent_memory cimport Release, is_lent, lend

from zmq.core.error import ZMQError, ZMQVersionError
from zmq.core.constants import Errno, MessageOption
from zmq.core.messages.copy_threshold import COPY_THRESHOLD  # no-cython-lint
from zmq.core.tracker import _FINISHED_TRACKER, MessageTracker


cdef class Frame:
    """Frame(data=None, track=False, copy=None, copy_threshold=None)
--

    One part of a message.

    Parameters
    ----------
    data : bytes-like, optional
        The contents; left out for an empty frame.
    track : bool
        Whether `tracker` shall tell when libzmq is done with the contents.
    copy : bool, optional
        Whether to copy the contents. Left out, what is smaller than `copy_threshold` is copied.
    copy_threshold : int, optional
        Bytes; `zmq.COPY_THRESHOLD` when left out.

    Raises
    ------
    TypeError
        `data` is a str, or has no contiguous buffer.

    Notes
    -----
    Memory is shared with libzmq and, over inproc, with the peer. A frame that was received can be written to only
    where nobody else holds the memory.
    """

    #: Returns the hub in which `tracker` waits; None blocks the thread.
    _get_hub = None
    #: The `Threshold` of the package that the class belongs to; None for `zmq`.
    _threshold = None

    def __cinit__(self):
        zmq_msg_init(&self.zmq_msg)

    def __init__(self, data=None, bint track=False, copy=None, copy_threshold=None):
        cdef Py_buffer view
        cdef Release release = None
        cdef bint begun = False
        if self.made:
            raise RuntimeError("a Frame is made once")
        if data is None:
            self.made = True
            self.tracker = _FINISHED_TRACKER if track else None
            return
        if isinstance(data, str):
            raise TypeError("a Frame holds bytes, not str: encode it first")
        if not PyObject_CheckBuffer(data):
            raise TypeError(f"a Frame needs an object with the buffer interface, not {type(data).__name__}")
        PyObject_GetBuffer(data, &view, PyBUF_ANY_CONTIGUOUS)
        try:
            if copy is None:
                if copy_threshold is None:
                    copy_threshold = threshold_of(None if type(self) is Frame else self._threshold)
                copy = view.len < copy_threshold
            copies = bool(copy)
            # That ran code of others, perhaps this method.
            if self.made:
                raise RuntimeError("a Frame was made while it was being made")
            begun = self.made = True
            self.readonly = True
            if copies:
                if zmq_msg_init_size(&self.zmq_msg, <size_t> view.len) != 0:
                    # What it leaves behind must not be closed.
                    zmq_msg_init(&self.zmq_msg)
                    raise_errno(ENOMEM)
                if view.len:
                    memcpy(zmq_msg_data(&self.zmq_msg), view.buf, <size_t> view.len)
                self.tracker = _FINISHED_TRACKER if track else None
            else:
                if track:
                    release = Release()
                    self.tracker_event = release
                    self.tracker = tracker_for(release, type(self))
                lend(&self.zmq_msg, data, release)
                self.readonly = view.readonly
                self._data = data
        except BaseException:
            if begun:
                self.made = False
            raise
        finally:
            PyBuffer_Release(&view)

    def __dealloc__(self):
        zmq_msg_close(&self.zmq_msg)

    def __getbuffer__(self, Py_buffer *view, int flags):
        cdef void *data = zmq_msg_data(&self.zmq_msg)
        cdef bint readonly = self.readonly
        if self.received:
            readonly = zmq_msg_get(&self.zmq_msg, ZMQ_SHARED) == 1 or is_lent(data)
        PyBuffer_FillInfo(view, self, data, <Py_ssize_t> zmq_msg_size(&self.zmq_msg), readonly, flags)
        if not readonly:
            self.exposed = True

    def __len__(self):
        return zmq_msg_size(&self.zmq_msg)

    def __copy__(self):
        """Return a frame that shares this one's memory."""
        cdef Frame other = type(self).__new__(type(self))
        other.made = True
        check(zmq_msg_copy(&other.zmq_msg, &self.zmq_msg))
        other.received = self.received
        other.readonly = self.readonly
        other.exposed = self.exposed
        other._data = self._data
        other._bytes = self._bytes
        other.more = self.more
        other.tracker = self.tracker
        other.tracker_event = self.tracker_event
        return other

    def __deepcopy__(self, memo):
        """Return a frame whose contents nobody can change by way of this one.

        The memory is shared where nobody can write to it by way of this frame. A copy of it has `more`, `routing_id`
        and `group`; the properties of the connection, such as ``"User-Id"`` and `SRCFD`, only a shared one has, and one
        so small that libzmq keeps the contents in the message itself.
        """
        cdef Frame other
        cdef uint32_t routing_id
        if self.readonly or self.received and (not self.exposed or self.is_inline()):
            return self.__copy__()
        other = type(self).__new__(type(self))
        Frame.__init__(other, memoryview(self), track=self.tracker is not None, copy=True)
        other.more = self.more
        if GREENZMQ_DRAFT:
            routing_id = zmq_msg_routing_id(&self.zmq_msg)
            if routing_id:
                check(zmq_msg_set_routing_id(&other.zmq_msg, routing_id))
            if zmq_msg_group(&self.zmq_msg)[0]:
                check(zmq_msg_set_group(&other.zmq_msg, zmq_msg_group(&self.zmq_msg)))
        return other

    cdef bint is_inline(self) noexcept:
        """Tell whether the contents are in libzmq's own structure, so that what is copied of it shares nothing."""
        cdef size_t at = <size_t> zmq_msg_data(&self.zmq_msg)
        return 0 <= <Py_ssize_t> (at - <size_t> &self.zmq_msg) < <Py_ssize_t> sizeof(zmq_msg_t)

    def fast_copy(self):
        """Return another frame with the same contents, which are not copied; the same as `copy.copy`."""
        return self.__copy__()

    def __repr__(self):
        cdef bytes start
        cdef Py_ssize_t size = len(self)
        start = PyBytes_FromStringAndSize(<const char *> zmq_msg_data(&self.zmq_msg), min(size, 12))
        rest = ""
        if size >= 1_000_000:
            rest = f"...{size / 1e6:.0f}MB"
        elif size >= 1000:
            rest = f"...{size / 1e3:.0f}kB"
        elif size > 12:
            rest = f"...{size}B"
        return f"<zmq.{type(self).__name__}({start!r}{rest})>"

    @property
    def buffer(self):
        """memoryview : the contents, not copied."""
        # Kept weakly: else the view and the frame would keep each other alive, and with them what was lent.
        view = self._buffer() if self._buffer is not None else None
        if view is None:
            view = memoryview(self)
            self._buffer = weakref.ref(view)
        return view

    @property
    def bytes(self):
        """bytes : the contents, copied once."""
        if self._bytes is None:
            self._bytes = PyBytes_FromStringAndSize(
                <const char *> zmq_msg_data(&self.zmq_msg), <Py_ssize_t> zmq_msg_size(&self.zmq_msg)
            )
        return self._bytes

    def get(self, option):
        """Return a property of the message.

        Parameters
        ----------
        option : int or str
            A `zmq.MessageOption`; or the name of a metadata property such as ``"Socket-Type"`` or
            ``"User-Id"``; or ``"routing_id"`` or ``"group"`` (draft).

        Returns
        -------
        int or str

        Raises
        ------
        ZMQError
            EINVAL: there is no such property.

        Notes
        -----
        Source: zmq_msg_get(3), zmq_msg_gets(3).
        """
        cdef const char *value
        if isinstance(option, int):
            return check(zmq_msg_get(&self.zmq_msg, option))
        if option == "routing_id":
            return self.routing_id
        if option == "group":
            return self.group
        name = option.encode("utf-8") if isinstance(option, str) else option
        value = zmq_msg_gets(&self.zmq_msg, name)
        if value == NULL:
            raise_errno(zmq_errno())
        return value.decode("utf-8")

    def set(self, option, value):
        """Set a property of the message.

        Parameters
        ----------
        option : int or str
            A `zmq.MessageOption`, or ``"routing_id"`` or ``"group"`` (draft).
        value : int or str

        Raises
        ------
        ZMQError
            libzmq refuses it.
        ZMQVersionError
            It needs libzmq's draft API.
        """
        if option == "routing_id":
            self.routing_id = value
        elif option == "group":
            self.group = value
        elif isinstance(option, int):
            check(zmq_msg_set(&self.zmq_msg, option, value))
        else:
            raise ZMQError(Errno.EINVAL, f"no property {option!r} of a message can be set")

    def __getitem__(self, key):
        return self.get(key)

    @property
    def routing_id(self):
        """int : the peer of a SERVER or PEER socket (draft)."""
        need_draft("routing_id")
        return zmq_msg_routing_id(&self.zmq_msg)

    @routing_id.setter
    def routing_id(self, uint32_t value):
        need_draft("routing_id")
        check(zmq_msg_set_routing_id(&self.zmq_msg, value))

    @property
    def group(self):
        """str : the group of a RADIO or DISH message (draft)."""
        need_draft("group")
        return zmq_msg_group(&self.zmq_msg).decode("utf-8")

    @group.setter
    def group(self, value):
        need_draft("group")
        name = value.encode("utf-8") if isinstance(value, str) else value
        check(zmq_msg_set_group(&self.zmq_msg, name))


cdef class Property:
    """A property of the message as an attribute of frames."""

    cdef object option, name, __doc__

    def __init__(self, option, name):
        self.option = option
        self.name = name
        self.__doc__ = f"int : the property {option.name} of the message, see zmq_msg_get(3)."

    def __get__(self, frame, owner):
        if frame is None:
            return self
        try:
            return frame.get(self.option)
        except ZMQError as error:
            if error.errno != Errno.EINVAL:
                raise
            raise AttributeError(f"the property {self.name} can't be read: {error}") from error

    def __set__(self, frame, value):
        frame.set(self.option, value)


cdef add_attributes(type cls):
    """Give frames an attribute for each property, in lower and in upper case and capitalized."""
    for name, option in MessageOption.__members__.items():
        for spelling in (name, name.lower(), name.capitalize()):
            # `more` is a field.
            if not hasattr(cls, spelling):
                setattr(cls, spelling, Property(option, spelling))


add_attributes(Frame)

#: The name of `Frame` in old versions.
Message = Frame


cdef need_draft(str what):
    if not GREENZMQ_DRAFT:
        raise ZMQVersionError("4.2 with its draft API", what)


cdef tracker_for(Release release, type frame_class):
    release.frame_class = frame_class
    return MessageTracker(release)


cdef Frame frame_of(zmq_msg_t *msg, type cls):
    """Make a frame of a message that was received, and take the message over."""
    cdef Frame frame = cls.__new__(cls)
    frame.made = True
    zmq_msg_move(&frame.zmq_msg, msg)
    frame.received = True
    return frame
