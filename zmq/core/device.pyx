"""`proxy`, `proxy_steerable`, `monitored_queue`, `device`: messages relayed between two sockets.

Lives here: what users call. What must not: how messages are relayed (`zmq.core.relays`), and threads and processes that
run devices by themselves (`zmq.devices`). Called by users and by `zmq.devices`.
"""

from zmq.core.relays.running cimport relay_between
from zmq.core.socket cimport Socket

from zmq.core.constants import DeviceType


def proxy(Socket frontend not None, Socket backend not None, Socket capture=None):
    """Relay messages between two sockets, both ways, until the context is terminated or a socket is closed.

    With green sockets only the calling greenlet waits: the messages are moved by a native thread, which ends when
    something is thrown into the greenlet. Nobody else can use the sockets meanwhile; afterwards they are as before.

    Parameters
    ----------
    frontend, backend : Socket
        The two ends; the same socket to send what it receives back through itself.
    capture : Socket, optional
        Gets a copy of every message: a PUB, DEALER, PUSH or PAIR.

    Raises
    ------
    ContextTerminated
        The context was terminated: how a proxy usually ends.
    ZMQError
        ENOTSOCK: a socket is closed. EBUSY: another proxy has a socket, or a greenlet waits for it. EINVAL: the types
        of the sockets let nothing pass, or `capture` can't send.

    Notes
    -----
    A message that a ROUTER with ROUTER_MANDATORY cannot deliver is dropped. Source: zmq_proxy(3).
    """
    relay_between(frontend, backend, capture, None, None, False)


def proxy_steerable(Socket frontend not None, Socket backend not None, Socket capture=None, Socket control=None):
    """Relay messages as `proxy` does, under the control of another socket.

    Parameters
    ----------
    frontend, backend, capture : Socket
        As in `proxy`.
    control : Socket, optional
        A PAIR, PULL, SUB or REP that receives ``b"PAUSE"``, ``b"RESUME"``, ``b"TERMINATE"``, upon which the call
        returns, and ``b"STATISTICS"``, which all but a PULL and a SUB answer with 8 frames of an unsigned 64-bit
        integer each, in the machine's byte order: messages and bytes received from the front end, messages and bytes
        sent to it, and the same for the back end. A REP sends an empty answer to the other commands.

    Raises
    ------
    ValueError
        Another command came.
    ContextTerminated, ZMQError
        As in `proxy`; EINVAL also where `control` can't receive.

    Notes
    -----
    Source: zmq_proxy_steerable(3).
    """
    relay_between(frontend, backend, capture, control, None, False)


def monitored_queue(
    Socket in_socket not None,
    Socket out_socket not None,
    Socket mon_socket not None,
    bytes in_prefix not None=b"in",
    bytes out_prefix not None=b"out",
):
    """Relay messages as `proxy` does, and tell a third socket which way each went.

    Parameters
    ----------
    in_socket, out_socket : Socket
        The two ends. Where both are ROUTERs, the first two frames of a message are the identities of who sent it and of
        who shall get it: they change places, so that peers of the one can write to peers of the other.
    mon_socket : Socket
        Gets every message as it was passed on, behind a frame that says where it came from.
    in_prefix, out_prefix : bytes
        That frame, for messages of `in_socket` and of `out_socket`.

    Raises
    ------
    ContextTerminated, ZMQError
        As in `proxy`.
    """
    relay_between(in_socket, out_socket, mon_socket, None, (in_prefix, out_prefix), False)


def device(int device_type, Socket frontend not None, Socket backend=None):
    """Relay messages between two sockets, as `proxy` does.

    Parameters
    ----------
    device_type : int
        A `zmq.DeviceType`: QUEUE, FORWARDER or STREAMER. It says what the device is for; all three work the same way.
    frontend : Socket
    backend : Socket, optional
        The same as `frontend` when left out.

    Raises
    ------
    ValueError
        There is no such type.
    ContextTerminated, ZMQError
        As in `proxy`.
    """
    DeviceType(device_type)
    relay_between(frontend, frontend if backend is None else backend, None, None, None, False)


def relay(
    Socket frontend not None,
    Socket backend not None,
    Socket capture=None,
    Socket control=None,
    *,
    tuple prefixes=None,
    bint block=False,
):
    """Do what the functions above do, all in one.

    Parameters
    ----------
    frontend, backend, capture, control : Socket
        As in `proxy_steerable`.
    prefixes : tuple of bytes, optional
        As in `monitored_queue`.
    block : bool
        Block the thread, also where the sockets are green: for threads that do nothing else.

    Raises
    ------
    ContextTerminated, ValueError, ZMQError
        As in `proxy_steerable`.
    """
    relay_between(frontend, backend, capture, control, prefixes, block)
