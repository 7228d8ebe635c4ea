"""Where a socket is bound and connected, and the monitor that tells of it.

Lives here: addresses, ports, and a socket's monitor. What must not: how a monitor always finds a reader
(`zmq.core.sockets.monitors`). A base of `zmq.core.socket.Socket`.
"""

import itertools

from libc.errno cimport EACCES, EBUSY, EINTR, EMFILE, ENAMETOOLONG

from zmq.core.check cimport raise_errno
from zmq.core.context cimport PATIENCE, Context, await_reaper
from zmq.core.libzmq cimport (
    ENOTSUP,
    ZMQ_LINGER,
    ZMQ_PAIR,
    ZMQ_RCVHWM,
    zmq_bind,
    zmq_close,
    zmq_connect,
    zmq_disconnect,
    zmq_errno,
    zmq_setsockopt,
    zmq_unbind,
)
from zmq.core.sockets cimport overrides
from zmq.core.sockets.arguments cimport encoded
from zmq.core.sockets.label cimport Label
from zmq.core.sockets.life cimport Life
from zmq.core.sockets.monitors cimport (
    begin_reading,
    connected,
    disconnected,
    forget_handle,
    has_left,
    is_left,
    is_monitored,
    is_ours,
    lacks_reader,
    start_monitor,
    stop_monitor,
    was_bound,
)
from zmq.core.sockets.option_conversion cimport get_option
from zmq.core.sockets.peers cimport WatchedPeers
from zmq.core.waiting.trampoline cimport meet, part

from zmq.core._text import shown_address, without_user
from zmq.core.capabilities import has
from zmq.core.constants import Errno, Event, SocketOption, SocketType
from zmq.core.error import ZMQBindError, ZMQError

cdef enum:
    # The default range of `bind_to_random_port`.
    FIRST_DYNAMIC_PORT = 49152
    END_OF_PORTS = 65536

# Numbers in the addresses of monitors.
_monitors = itertools.count()


class _SocketContext:
    """Undo a `bind` or `connect` at the end of a ``with`` block."""

    def __init__(self, socket, kind, addr):
        self.socket = socket
        self.kind = kind
        self.addr = addr

    def __repr__(self):
        return f"<SocketContext({self.kind}={self.addr!r})>"

    def __enter__(self):
        return self.socket

    def __exit__(self, *args):
        if self.socket.closed:
            return
        if self.kind == "bind":
            self.socket.unbind(self.addr)
        else:
            self.socket.disconnect(self.addr)


cdef class Endpoints(OptionAccess):
    """A socket that is bound and connected."""

    def bind(self, addr):
        """Accept connections at an address.

        Parameters
        ----------
        addr : str or bytes
            Such as ``"tcp://127.0.0.1:5555"``, ``"ipc:///tmp/name"`` or ``"inproc://name"``.

        Returns
        -------
        context manager
            Unbinds at the end of a ``with`` block; may be ignored.

        Raises
        ------
        ZMQError
            libzmq refuses the address, which the text names.

        Notes
        -----
        Source: zmq_bind(3).
        """
        cdef bytes address
        self.usable()
        address = encoded(addr, "addr")
        self.with_endpoint(zmq_bind, addr)
        if address.startswith(b"inproc:") and isinstance(self.context, Context):
            was_bound(self.handle, self.context, address)
        where = self.last_endpoint(addr)
        label = self.labelled()
        label.note(label.bound, shown_address(addr), shown_address(where))
        self.meet_partner()
        return _SocketContext(self, "bind", where)

    def connect(self, addr):
        """Connect to an address.

        Parameters
        ----------
        addr : str or bytes

        Returns
        -------
        context manager
            Disconnects at the end of a ``with`` block; may be ignored.

        Raises
        ------
        ZMQError
            libzmq refuses the address, which the text names.

        Notes
        -----
        Source: zmq_connect(3).
        """
        cdef bytes address
        cdef int tries = 0
        self.usable()
        if self.socket_type == ZMQ_PAIR and isinstance(self.context, Context):
            address = encoded(addr, "addr")
            if address.startswith(b"inproc:"):
                # It may be a monitor's.
                while is_left(self.context, address) and tries < PATIENCE:
                    await_reaper(self._get_hub)
                    self.usable()
                    tries += 1
                begin_reading(self.handle, self.context, address)
                self.with_endpoint(zmq_connect, addr)
                connected(self.handle, self.context, address)
                self.note_connected(addr)
                return _SocketContext(self, "connect", addr)
        self.with_endpoint(zmq_connect, addr)
        self.note_connected(addr)
        return _SocketContext(self, "connect", addr)

    def unbind(self, addr):
        """Stop accepting connections at an address.

        Parameters
        ----------
        addr : str or bytes
            As `LAST_ENDPOINT` gave it.

        Raises
        ------
        ZMQError
            ENOENT: the socket is not bound there.
        """
        # Over inproc libzmq takes the address of a connection too, which may be that of a monitor's reader
        # (socket_base_t::term_endpoint, for zmq_unbind and zmq_disconnect alike).
        cdef bint was_reader = self.leave(zmq_unbind, addr)
        cdef Label label = self.labelled()
        label.strike(label.connected if was_reader else label.bound, shown_address(addr))
        self.meet_partner()

    def disconnect(self, addr):
        """Close the connection to an address.

        Parameters
        ----------
        addr : str or bytes

        Raises
        ------
        ZMQError
            ENOENT: the socket is not connected there.
        """
        cdef Label label
        self.leave(zmq_disconnect, addr)
        label = self.labelled()
        label.strike(label.connected, shown_address(addr))
        self.meet_partner()

    def bind_to_random_port(self, addr, min_port=49152, max_port=65536, max_tries=100):
        """Bind to a free port.

        Parameters
        ----------
        addr : str
            The address without the port, such as ``"tcp://127.0.0.1"``.
        min_port, max_port : int
            The range to choose from, without `max_port`. The default range leaves the choice to the system.
        max_tries : int
            How many ports to try.

        Returns
        -------
        int
            The port.

        Raises
        ------
        ZMQBindError
            None was free.
        ZMQError
            The address is refused for another reason.
        """
        if min_port == FIRST_DYNAMIC_PORT and max_port == END_OF_PORTS:
            self.bind(f"{addr}:*")
            found = self.get(SocketOption.LAST_ENDPOINT).decode("ascii", "replace")
            return int(found.rsplit(":", 1)[-1])
        import random
        for _ in range(max_tries):
            port = random.randrange(min_port, max_port)
            try:
                self.bind(f"{addr}:{port}")
            except ZMQError as error:
                if error.errno not in (Errno.EADDRINUSE, EACCES):
                    raise
            else:
                return port
        raise ZMQBindError(f"Could not bind socket to random port: {max_tries} tries from {min_port} to {max_port - 1}")

    cdef int with_endpoint(self, endpoint_call_t call, addr) except -1:
        cdef bytes address = encoded(addr, "addr")
        cdef const char *where = address
        cdef int errno = EINTR
        cdef bint waits
        session = None
        # That may have run code of others.
        self.usable()
        if address.startswith(b"norm://") and (call == zmq_bind or call == zmq_connect) and has("norm"):
            from zmq.core import _norm
            session = _norm.check(address.decode("utf-8", "replace"))
            self.usable()
        waits = lacks_reader(self.handle)
        while errno == EINTR:
            if waits:
                # Until another thread reads what the monitor tells.
                with nogil:
                    errno = 0 if call(self.handle, where) == 0 else zmq_errno()
            else:
                errno = 0 if call(self.handle, where) == 0 else zmq_errno()
        self.operated()
        if errno == 0:
            if session is not None:
                _norm.note(*session)
            return 0
        from zmq.core.error import error_for
        from zmq.core.version import IPC_PATH_MAX_LEN, strerror
        text = f"{strerror(errno)} (addr={without_user(addr)})"
        if errno == ENAMETOOLONG:
            text += f"; the path of an ipc address has at most {IPC_PATH_MAX_LEN} bytes here"
        raise error_for(errno, text)

    cdef bint leave(self, endpoint_call_t call, addr) except -1:
        """Leave an address; tell whether this was the reader of a monitor there."""
        cdef bytes address
        self.usable()
        address = encoded(addr, "addr")
        if self.socket_type == ZMQ_PAIR and disconnected(self.handle, address):
            self.operated()
            return True
        self.with_endpoint(call, addr)
        if address.startswith(b"inproc:") and isinstance(self.context, Context):
            has_left(self.handle, self.context, address)
        return False

    cdef int note_connected(self, addr) except -1:
        cdef Label label = self.labelled()
        shown = shown_address(addr)
        label.note(label.connected, shown, shown)
        self.meet_partner()
        return 0

    cdef int meet_partner(self) except -1:
        """Have it known who is at the other end, where this socket waits in a hub and has one end, which is inproc."""
        cdef Label label = self.label
        if self.trampoline is None or label is None:
            return 0
        part(self.trampoline)
        if len(label.bound) + len(label.connected) == 1 and isinstance(self.context, Context):
            [(addr, _)] = label.bound or label.connected
            if addr.startswith("inproc:"):
                meet(self.trampoline, (<size_t> (<Context> self.context).handle, addr), bool(label.bound))
        return 0

    cdef last_endpoint(self, addr):
        found = get_option(self.handle, SocketOption.LAST_ENDPOINT)
        return found.decode("utf-8", "replace") if found else addr

    def monitor(self, addr, events=0xFFFF):
        """Have the socket's events sent to an inproc address.

        Parameters
        ----------
        addr : str or bytes or None
            Where a PAIR socket can connect to receive them; None stops.
        events : int
            A combination of `zmq.Event`.

        Raises
        ------
        ZMQError
            EINVAL: no inproc address, or no events. EADDRINUSE: something else is there. EMFILE: too many sockets.

        Notes
        -----
        libzmq waits where it has an event to tell and no PAIR is connected to the address, or does not read and a
        high-water mark is reached: inside `bind`, `connect` and other calls on this socket, which do not look at
        signals then and hold up a hub, or in a thread of its own, which then serves no other socket. So connect first,
        with a RCVHWM of 0, and stop the monitor before a reader that is none of this package's is closed. A PAIR that
        `Socket.connect` connects to the address is known here: closing or disconnecting it stops the monitor, and
        it gets a RCVHWM of 0 if it comes after this call. `get_monitor_socket` does all of that.
        Source: zmq_socket_monitor(3).
        """
        self.monitor_at(None if addr is None else encoded(addr, "addr"), events, None)
        self.operated()

    def get_monitor_socket(self, events=None, addr=None):
        """Return a PAIR socket that receives the socket's events.

        Parameters
        ----------
        events : int, optional
            A combination of `zmq.Event`; all of them when left out.
        addr : str, optional
            The inproc address to use.

        Returns
        -------
        Socket
            The same one until `disable_monitor`, or until it is closed, which stops the monitor too. Its RCVHWM is 0:
            events that are not read are kept, so that no thread of libzmq's has to wait.

        Raises
        ------
        ZMQError
            As in `monitor`; nothing is monitored then.
        """
        self.usable()
        monitor = self.monitor_socket
        if monitor is not None and not monitor.closed:
            return monitor
        if addr is None:
            # libzmq may still hold on to the address of a monitor that was disabled.
            addr = f"inproc://monitor.s-{self.get(SocketOption.FD)}-{next(_monitors)}"
        monitor = self.context.socket(SocketType.PAIR)
        try:
            overrides.socket_class.setsockopt(monitor, ZMQ_RCVHWM, 0)
            self.monitor_at(encoded(addr, "addr"), Event.ALL if events is None else events, monitor)
            if isinstance(monitor, Endpoints):
                (<Endpoints> monitor).note_connected(addr)
        except BaseException:
            monitor.close(0)
            raise
        self.monitor_socket = monitor
        self.operated()
        return monitor

    def disable_monitor(self):
        """Stop monitoring. The monitor's socket still has the events up to MONITOR_STOPPED; its user closes it."""
        # Held until libzmq has told it.
        monitor = self.monitor_socket
        self.monitor_socket = None
        self.monitor(None, 0)
        del monitor

    def watch_peers(self):
        """Count from now on which peers come and go, are refused, and why: in `counters`, as ``peers``.

        Raises
        ------
        ZMQError
            EBUSY: the program monitors this socket. EMFILE: too many sockets or descriptors. ENOTSUP: it is a shadow of
            a socket whose context is not known.

        Notes
        -----
        A monitor of libzmq's, read by a native thread that all watched sockets share: no hub has to run, and nobody
        waits for it, neither `close` nor `Context.term`. Each socket takes two more of libzmq's, and their descriptors.

        Libzmq has one monitor for each socket. One of the program's own takes the place of this one, whose numbers then
        stand still until this is called again; to stop it does not stop this.
        Source: zmq_socket_monitor(3). Connections over inproc are not told of.
        """
        cdef Context context
        cdef WatchedPeers peers
        cdef bytes address
        cdef void *reader
        cdef int none = 0
        cdef int err
        self.usable()
        if not isinstance(self.context, Context):
            raise ZMQError(ENOTSUP, "the context of this socket is not known here: watch the socket itself")
        context = self.context
        peers = WatchedPeers() if self.traffic.peers is None else self.traffic.peers
        if is_ours(self.handle) and peers.is_watched():
            return
        reader = context.make_socket(ZMQ_PAIR, self._get_hub)
        forget_handle(reader)
        try:
            # That may have waited.
            self.usable()
            if is_monitored(self.handle):
                raise ZMQError(EBUSY, "this socket has a monitor already, and libzmq has one for each socket")
            zmq_setsockopt(reader, ZMQ_RCVHWM, &none, sizeof(int))
            zmq_setsockopt(reader, ZMQ_LINGER, &none, sizeof(int))
            address = b"inproc://greenzmq-peers-%d" % next(_monitors)
            err = start_monitor(self.handle, context, address, Event.ALL, reader, True)
            if err:
                raise_errno(err)
            err = peers.watch(reader)
            if err:
                stop_monitor(self.handle)
                raise_errno(err)
        except BaseException:
            zmq_close(reader)
            raise
        self.traffic.peers = peers
        self.operated()

    cdef int monitor_at(self, bytes address, int events, Life reader) except -1:
        """Monitor the socket, at an address; None stops."""
        cdef Context context = self.context if isinstance(self.context, Context) else None
        cdef int err, tries = 0
        while True:
            self.usable()
            if reader is not None:
                reader.usable()
            # Either may take another socket.
            if address is None:
                err = 0 if is_ours(self.handle) else stop_monitor(self.handle)
            else:
                err = start_monitor(
                    self.handle, context, address, events, NULL if reader is None else reader.handle, False
                )
            if err == 0:
                return 0
            if err != EMFILE or tries == PATIENCE:
                raise_errno(err)
            tries += 1
            await_reaper(self._get_hub)
