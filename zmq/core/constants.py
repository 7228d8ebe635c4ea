"""The constants of 0MQ, as enums and, each by its name, as module attributes.

Lives here: every constant of ``zmq.h``, draft ones included, with the value it has there.
Nothing else may define one. Everybody imports from here. Who adds one to an enum runs ``python tools/stubs.py``; the
rest follows from the enum.
"""

from __future__ import annotations

import enum
import errno as _errno

#: Where the numbers start that libzmq gives to errors the platform lacks (``zmq.h``).
ZMQ_HAUSNUMERO = 156384712


class Errno(enum.IntEnum):
    """libzmq's error codes: the platform's own where it has them.

    Source: ``zmq.h``.
    """

    EAGAIN = _errno.EAGAIN
    EFAULT = _errno.EFAULT
    EINVAL = _errno.EINVAL
    ENOTSUP = getattr(_errno, "ENOTSUP", ZMQ_HAUSNUMERO + 1)
    EPROTONOSUPPORT = getattr(_errno, "EPROTONOSUPPORT", ZMQ_HAUSNUMERO + 2)
    ENOBUFS = getattr(_errno, "ENOBUFS", ZMQ_HAUSNUMERO + 3)
    ENETDOWN = getattr(_errno, "ENETDOWN", ZMQ_HAUSNUMERO + 4)
    EADDRINUSE = getattr(_errno, "EADDRINUSE", ZMQ_HAUSNUMERO + 5)
    EADDRNOTAVAIL = getattr(_errno, "EADDRNOTAVAIL", ZMQ_HAUSNUMERO + 6)
    ECONNREFUSED = getattr(_errno, "ECONNREFUSED", ZMQ_HAUSNUMERO + 7)
    EINPROGRESS = getattr(_errno, "EINPROGRESS", ZMQ_HAUSNUMERO + 8)
    ENOTSOCK = getattr(_errno, "ENOTSOCK", ZMQ_HAUSNUMERO + 9)
    EMSGSIZE = getattr(_errno, "EMSGSIZE", ZMQ_HAUSNUMERO + 10)
    EAFNOSUPPORT = getattr(_errno, "EAFNOSUPPORT", ZMQ_HAUSNUMERO + 11)
    ENETUNREACH = getattr(_errno, "ENETUNREACH", ZMQ_HAUSNUMERO + 12)
    ECONNABORTED = getattr(_errno, "ECONNABORTED", ZMQ_HAUSNUMERO + 13)
    ECONNRESET = getattr(_errno, "ECONNRESET", ZMQ_HAUSNUMERO + 14)
    ENOTCONN = getattr(_errno, "ENOTCONN", ZMQ_HAUSNUMERO + 15)
    ETIMEDOUT = getattr(_errno, "ETIMEDOUT", ZMQ_HAUSNUMERO + 16)
    EHOSTUNREACH = getattr(_errno, "EHOSTUNREACH", ZMQ_HAUSNUMERO + 17)
    ENETRESET = getattr(_errno, "ENETRESET", ZMQ_HAUSNUMERO + 18)
    EFSM = ZMQ_HAUSNUMERO + 51
    ENOCOMPATPROTO = ZMQ_HAUSNUMERO + 52
    ETERM = ZMQ_HAUSNUMERO + 53
    EMTHREAD = ZMQ_HAUSNUMERO + 54


class ContextOption(enum.IntEnum):
    """Options of a context, for `Context.get` and `Context.set`.

    Source: zmq_ctx_set(3), zmq_ctx_get(3).
    """

    IO_THREADS = 1
    MAX_SOCKETS = 2
    SOCKET_LIMIT = 3
    THREAD_PRIORITY = SOCKET_LIMIT
    THREAD_SCHED_POLICY = 4
    MAX_MSGSZ = 5
    MSG_T_SIZE = 6
    THREAD_AFFINITY_CPU_ADD = 7
    THREAD_AFFINITY_CPU_REMOVE = 8
    THREAD_NAME_PREFIX = 9


class SocketType(enum.IntEnum):
    """Socket types, for `Context.socket`.

    Source: zmq_socket(3). SERVER to CHANNEL are draft sockets.
    """

    PAIR = 0
    PUB = 1
    SUB = 2
    REQ = 3
    REP = 4
    DEALER = 5
    ROUTER = 6
    PULL = 7
    PUSH = 8
    XPUB = 9
    XSUB = 10
    STREAM = 11
    XREQ = DEALER
    XREP = ROUTER
    SERVER = 12
    CLIENT = 13
    RADIO = 14
    DISH = 15
    GATHER = 16
    SCATTER = 17
    DGRAM = 18
    PEER = 19
    CHANNEL = 20


class _OptType(enum.Enum):
    """What C type the value of a socket option has."""

    int = "int"
    int64 = "int64"
    bytes = "bytes"
    fd = "fd"


class SocketOption(enum.IntEnum):
    """Socket options, for `Socket.get` and `Socket.set`.

    Each member knows the C type of its value.
    Source: zmq_getsockopt(3), zmq_setsockopt(3); the names after the blank lines are those of old
    versions and those of draft options.
    """

    _opt_type: _OptType

    def __new__(cls, value: int, opt_type: _OptType = _OptType.int) -> SocketOption:
        member = int.__new__(cls, value)
        member._value_ = value
        member._opt_type = opt_type
        return member

    HWM = 1
    AFFINITY = 4, _OptType.int64
    ROUTING_ID = 5, _OptType.bytes
    SUBSCRIBE = 6, _OptType.bytes
    UNSUBSCRIBE = 7, _OptType.bytes
    RATE = 8
    RECOVERY_IVL = 9
    SNDBUF = 11
    RCVBUF = 12
    RCVMORE = 13
    FD = 14, _OptType.fd
    EVENTS = 15
    TYPE = 16
    LINGER = 17
    RECONNECT_IVL = 18
    BACKLOG = 19
    RECONNECT_IVL_MAX = 21
    MAXMSGSIZE = 22, _OptType.int64
    SNDHWM = 23
    RCVHWM = 24
    MULTICAST_HOPS = 25
    RCVTIMEO = 27
    SNDTIMEO = 28
    LAST_ENDPOINT = 32, _OptType.bytes
    ROUTER_MANDATORY = 33
    TCP_KEEPALIVE = 34
    TCP_KEEPALIVE_CNT = 35
    TCP_KEEPALIVE_IDLE = 36
    TCP_KEEPALIVE_INTVL = 37
    IMMEDIATE = 39
    XPUB_VERBOSE = 40
    ROUTER_RAW = 41
    IPV6 = 42
    MECHANISM = 43
    PLAIN_SERVER = 44
    PLAIN_USERNAME = 45, _OptType.bytes
    PLAIN_PASSWORD = 46, _OptType.bytes
    CURVE_SERVER = 47
    CURVE_PUBLICKEY = 48, _OptType.bytes
    CURVE_SECRETKEY = 49, _OptType.bytes
    CURVE_SERVERKEY = 50, _OptType.bytes
    PROBE_ROUTER = 51
    REQ_CORRELATE = 52
    REQ_RELAXED = 53
    CONFLATE = 54
    ZAP_DOMAIN = 55, _OptType.bytes
    ROUTER_HANDOVER = 56
    TOS = 57
    CONNECT_ROUTING_ID = 61, _OptType.bytes
    GSSAPI_SERVER = 62
    GSSAPI_PRINCIPAL = 63, _OptType.bytes
    GSSAPI_SERVICE_PRINCIPAL = 64, _OptType.bytes
    GSSAPI_PLAINTEXT = 65
    HANDSHAKE_IVL = 66
    SOCKS_PROXY = 68, _OptType.bytes
    XPUB_NODROP = 69
    BLOCKY = 70
    XPUB_MANUAL = 71
    XPUB_WELCOME_MSG = 72, _OptType.bytes
    STREAM_NOTIFY = 73
    INVERT_MATCHING = 74
    HEARTBEAT_IVL = 75
    HEARTBEAT_TTL = 76
    HEARTBEAT_TIMEOUT = 77
    XPUB_VERBOSER = 78
    CONNECT_TIMEOUT = 79
    TCP_MAXRT = 80
    THREAD_SAFE = 81
    MULTICAST_MAXTPDU = 84
    VMCI_BUFFER_SIZE = 85, _OptType.int64
    VMCI_BUFFER_MIN_SIZE = 86, _OptType.int64
    VMCI_BUFFER_MAX_SIZE = 87, _OptType.int64
    VMCI_CONNECT_TIMEOUT = 88
    USE_FD = 89
    GSSAPI_PRINCIPAL_NAMETYPE = 90
    GSSAPI_SERVICE_PRINCIPAL_NAMETYPE = 91
    BINDTODEVICE = 92, _OptType.bytes

    IDENTITY = ROUTING_ID
    CONNECT_RID = CONNECT_ROUTING_ID
    TCP_ACCEPT_FILTER = 38, _OptType.bytes
    IPC_FILTER_PID = 58
    IPC_FILTER_UID = 59
    IPC_FILTER_GID = 60
    IPV4ONLY = 31
    DELAY_ATTACH_ON_CONNECT = IMMEDIATE
    FAIL_UNROUTABLE = ROUTER_MANDATORY
    ROUTER_BEHAVIOR = ROUTER_MANDATORY

    ZAP_ENFORCE_DOMAIN = 93
    LOOPBACK_FASTPATH = 94
    METADATA = 95, _OptType.bytes
    MULTICAST_LOOP = 96
    ROUTER_NOTIFY = 97
    XPUB_MANUAL_LAST_VALUE = 98
    SOCKS_USERNAME = 99, _OptType.bytes
    SOCKS_PASSWORD = 100, _OptType.bytes
    IN_BATCH_SIZE = 101
    OUT_BATCH_SIZE = 102
    WSS_KEY_PEM = 103, _OptType.bytes
    WSS_CERT_PEM = 104, _OptType.bytes
    WSS_TRUST_PEM = 105, _OptType.bytes
    WSS_HOSTNAME = 106, _OptType.bytes
    WSS_TRUST_SYSTEM = 107
    ONLY_FIRST_SUBSCRIBE = 108
    RECONNECT_STOP = 109
    HELLO_MSG = 110, _OptType.bytes
    DISCONNECT_MSG = 111, _OptType.bytes
    PRIORITY = 112
    BUSY_POLL = 113
    HICCUP_MSG = 114, _OptType.bytes
    XSUB_VERBOSE_UNSUBSCRIBE = 115
    TOPICS_COUNT = 116
    NORM_MODE = 117
    NORM_UNICAST_NACK = 118
    NORM_BUFFER_SIZE = 119
    NORM_SEGMENT_SIZE = 120
    NORM_BLOCK_SIZE = 121
    NORM_NUM_PARITY = 122
    NORM_NUM_AUTOPARITY = 123
    NORM_PUSH = 124


class MessageOption(enum.IntEnum):
    """Properties of a message, for `Frame.get`.

    Source: zmq_msg_get(3).
    """

    MORE = 1
    SHARED = 3
    SRCFD = 2


class Flag(enum.IntFlag):
    """Flags for send and recv.

    Source: zmq_msg_send(3), zmq_msg_recv(3).
    """

    DONTWAIT = 1
    SNDMORE = 2
    NOBLOCK = DONTWAIT


class RouterNotify(enum.IntEnum):
    """Values of `ROUTER_NOTIFY` (draft)."""

    CONNECT = 1
    DISCONNECT = 2


class NormMode(enum.IntEnum):
    """Values of `NORM_MODE` (draft)."""

    FIXED = 0
    CC = 1
    CCL = 2
    CCE = 3
    CCE_ECNONLY = 4


class SecurityMechanism(enum.IntEnum):
    """Values of `MECHANISM`.

    Source: zmq_getsockopt(3), ZMQ_MECHANISM.
    """

    NULL = 0
    PLAIN = 1
    CURVE = 2
    GSSAPI = 3


class ReconnectStop(enum.IntEnum):
    """Values of `RECONNECT_STOP` (draft)."""

    CONN_REFUSED = 1
    HANDSHAKE_FAILED = 2
    AFTER_DISCONNECT = 4


class Event(enum.IntFlag):
    """Socket monitor events, and the protocol errors that some of them carry.

    Source: zmq_socket_monitor(3).
    """

    PROTOCOL_ERROR_WS_UNSPECIFIED = 0x30000000
    PROTOCOL_ERROR_ZMTP_UNSPECIFIED = 0x10000000
    PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND = 0x10000001
    PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE = 0x10000002
    PROTOCOL_ERROR_ZMTP_KEY_EXCHANGE = 0x10000003
    PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED = 0x10000011
    PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_MESSAGE = 0x10000012
    PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_HELLO = 0x10000013
    PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_INITIATE = 0x10000014
    PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_ERROR = 0x10000015
    PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_READY = 0x10000016
    PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_WELCOME = 0x10000017
    PROTOCOL_ERROR_ZMTP_INVALID_METADATA = 0x10000018
    PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC = 0x11000001
    PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH = 0x11000002
    PROTOCOL_ERROR_ZAP_UNSPECIFIED = 0x20000000
    PROTOCOL_ERROR_ZAP_MALFORMED_REPLY = 0x20000001
    PROTOCOL_ERROR_ZAP_BAD_REQUEST_ID = 0x20000002
    PROTOCOL_ERROR_ZAP_BAD_VERSION = 0x20000003
    PROTOCOL_ERROR_ZAP_INVALID_STATUS_CODE = 0x20000004
    PROTOCOL_ERROR_ZAP_INVALID_METADATA = 0x20000005
    CONNECTED = 1
    CONNECT_DELAYED = 2
    CONNECT_RETRIED = 4
    LISTENING = 8
    BIND_FAILED = 16
    ACCEPTED = 32
    ACCEPT_FAILED = 64
    CLOSED = 128
    CLOSE_FAILED = 256
    DISCONNECTED = 512
    MONITOR_STOPPED = 1024
    HANDSHAKE_FAILED_NO_DETAIL = 2048
    HANDSHAKE_SUCCEEDED = 4096
    HANDSHAKE_FAILED_PROTOCOL = 8192
    HANDSHAKE_FAILED_AUTH = 16384
    ALL_V1 = 65535
    ALL = 65535
    PIPES_STATS = 0x10000
    ALL_V2 = 0x1FFFF


class PollEvent(enum.IntFlag):
    """Events for a poller.

    Source: zmq_poll(3).
    """

    POLLIN = 1
    POLLOUT = 2
    POLLERR = 4
    POLLPRI = 8


class DeviceType(enum.IntEnum):
    """Types of `device`; kept for old programs, a device is a proxy."""

    STREAMER = 1
    FORWARDER = 2
    QUEUE = 3


#: All of the above, and what the names of their members as module attributes begin with.
_ENUMS: dict[type[enum.IntEnum] | type[enum.IntFlag], str] = {
    Errno: "",
    ContextOption: "",
    SocketType: "",
    SocketOption: "",
    MessageOption: "",
    Flag: "",
    RouterNotify: "NOTIFY_",
    NormMode: "NORM_",
    SecurityMechanism: "",
    ReconnectStop: "RECONNECT_STOP_",
    Event: "EVENT_",
    PollEvent: "",
    DeviceType: "",
}


def _attributes() -> dict[str, enum.IntEnum | enum.IntFlag]:
    """Return every member by its name as a module attribute."""
    return {
        name if name.startswith("PROTOCOL_ERROR_") else prefix + name: member
        for cls, prefix in _ENUMS.items()
        for name, member in cls.__members__.items()
    }


for _cls in _ENUMS:
    # Where programs, and pickles of theirs, look for them.
    _cls.__module__ = "zmq.constants"

# Type checkers read constants.pyi, which tools/stubs.py writes.
globals().update(_attributes())
__all__ = [*(cls.__name__ for cls in _ENUMS), *_attributes()]
