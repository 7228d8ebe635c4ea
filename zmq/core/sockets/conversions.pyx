"""Messages that stand for objects: text, JSON, pickles, and what a function makes of an object.

Lives here: methods that convert, and call `send` and `recv` or those for whole messages. What must not: how these do
it. A base of `zmq.core.socket.Socket`. Sockets whose calls return futures have these methods too, so that whoever
replaces one in `zmq.Socket` has replaced it for them: only what receives is their own.
"""

from functools import partial

# `zmq.utils.jsonapi`, as soon as somebody needs it.
cdef object jsonapi = None

# Arguments that `json.loads` leaves out where they are None.
cdef tuple HOOKS = ("object_hook", "parse_float", "parse_int", "parse_constant", "object_pairs_hook")

# Names of arguments that `jsonapi.loads` has taken.
cdef set names_for_json = set()


cdef json():
    """Return `zmq.utils.jsonapi`."""
    global jsonapi
    if jsonapi is None:
        from zmq.utils import jsonapi as found
        jsonapi = found
    return jsonapi


cdef int check_encoding(encoding) except -1:
    """Raise what decoding with an `encoding` would raise for any text: before a message is taken for it."""
    import codecs
    if not codecs.lookup(encoding)._is_text_encoding:
        raise LookupError(f"{encoding!r} is not a text encoding")
    return 0


cdef int check_json(dict kwargs) except -1:
    """Raise what `json.loads` says of arguments that it does not know: before a message is taken for them."""
    cls = kwargs.get("cls")
    if cls is not None:
        # Made and not used: a decoder of the program's may take nothing but what it expects.
        left_out = [name for name, value in kwargs.items() if name == "cls" or value is None and name in HOOKS]
        cls(**{name: value for name, value in kwargs.items() if name not in left_out})
        return 0
    names = tuple(kwargs)
    if names not in names_for_json:
        json().loads(b"null", **kwargs)
        if len(names_for_json) < 100:
            names_for_json.add(names)
    return 0


cdef int check_callable(function) except -1:
    """Raise TypeError for what can't be called: before a message is taken for it."""
    if not callable(function):
        raise TypeError(f"a callable is needed, not {type(function).__name__}")
    return 0


cdef class Conversions(Receiving):
    """A socket that sends and receives objects."""

    def send_string(self, u, int flags=0, copy=True, encoding="utf-8", **kwargs):
        """Send a str.

        Parameters
        ----------
        u : str
        flags, copy
            As in `send`.
        encoding : str
        **kwargs
            Passed on to `send`.

        Raises
        ------
        TypeError
            `u` is no str.
        """
        if not isinstance(u, str):
            raise TypeError(f"str objects only, not {type(u).__name__}: use send for bytes")
        return self.send(u.encode(encoding), flags=flags, copy=copy, **kwargs)

    send_unicode = send_string

    def recv_string(self, int flags=0, encoding="utf-8"):
        """Receive a str, as sent by `send_string`.

        Parameters
        ----------
        flags : int
            As in `recv`.
        encoding : str

        Returns
        -------
        str
        """
        if encoding != "utf-8":
            check_encoding(encoding)
        return self.received_text(flags, encoding)

    recv_unicode = recv_string

    def send_json(self, obj, int flags=0, **kwargs):
        """Send an object as JSON.

        Parameters
        ----------
        obj : object
        flags : int
            As in `send`.
        **kwargs
            ``routing_id`` and ``group`` are passed on to `send`, the rest to `json.dumps`.
        """
        send_kwargs = {key: kwargs.pop(key) for key in ("routing_id", "group") if key in kwargs}
        return self.send(json().dumps(obj, **kwargs), flags=flags, **send_kwargs)

    def recv_json(self, int flags=0, **kwargs):
        """Receive an object as JSON.

        Parameters
        ----------
        flags : int
            As in `recv`.
        **kwargs
            Passed on to `json.loads`.

        Returns
        -------
        object
        """
        if kwargs:
            check_json(kwargs)
        loads = json().loads
        return self.received(False, flags, True, partial(loads, **kwargs) if kwargs else loads)

    def send_pyobj(self, obj, int flags=0, protocol=None, **kwargs):
        """Send an object, pickled. Never receive such a message from a peer you don't trust.

        Parameters
        ----------
        obj : object
        flags : int
            As in `send`.
        protocol : int, optional
            Of `pickle`, whose ``DEFAULT_PROTOCOL`` it is when left out; -1 for the highest.
        **kwargs
            Passed on to `send`.
        """
        import pickle  # here, as few use it and it takes long
        return self.send(pickle.dumps(obj, protocol), flags=flags, **kwargs)

    def recv_pyobj(self, int flags=0):
        """Receive a pickled object. Only from peers you trust: a pickle can run any code.

        Parameters
        ----------
        flags : int
            As in `recv`.

        Returns
        -------
        object
        """
        import pickle
        return self.received(False, flags, True, pickle.loads)

    def send_serialized(self, msg, serialize, int flags=0, copy=True, **kwargs):
        """Send what a function makes of an object.

        Parameters
        ----------
        msg : object
        serialize : callable
            Takes the object, returns an iterable of frames.
        flags, copy, **kwargs
            As in `send_multipart`.
        """
        return self.send_multipart(serialize(msg), flags=flags, copy=copy, **kwargs)

    def recv_serialized(self, deserialize, int flags=0, copy=True):
        """Receive a message and return what a function makes of it.

        Parameters
        ----------
        deserialize : callable
            Takes the list of frames.
        flags, copy
            As in `recv_multipart`.

        Returns
        -------
        object
        """
        check_callable(deserialize)
        return self.received(True, flags, copy, deserialize)

    cdef received(self, bint whole, int flags, copy, load):
        """Receive a frame or a whole message; return what a function makes of it."""
        return load(self.recv_multipart(flags=flags, copy=copy) if whole else self.recv(flags))

    cdef received_text(self, int flags, encoding):
        """Receive a frame of text."""
        return self.recv(flags=flags).decode(encoding)
