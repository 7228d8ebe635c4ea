"""Whether a session of NORM can be opened at an address.

libzmq opens it in its I/O thread, and ends the process where that fails: where the address is wrong, its host or its
interface is unknown, the port is taken or not permitted. So what it does there is tried here before. Called where a
socket is bound or connected.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket
import struct
import time

from zmq.core.error import ZMQError, error_for

PREFIX = "norm://"
#: ioctl of Linux: the IPv4 address of an interface.
SIOCGIFADDR = 0x8915
#: Seconds in which libzmq's thread opens a session; until then its port does not look taken.
BEGINS = 1.0

#: When a session was begun at a port, and whether for a group: these share a port.
begins: dict[int, tuple[float, bool]] = {}


def check(addr: str) -> tuple[int, bool]:
    """Try to open a session as libzmq will, and close it again.

    Parameters
    ----------
    addr : str
        ``norm://[id,][interface;]host:port``.

    Returns
    -------
    tuple of (int, bool)
        The port, 0 for any, and whether the host is a group.

    Raises
    ------
    ZMQError
        EINVAL: it is no such address, or the host is unknown. Or what the system says, such as EADDRINUSE, EACCES,
        ENODEV: there is no such interface.

    Notes
    -----
    Source: the addresses are those of zmq_norm(7). Ports of one host are used by one session alone, those of a group
    by any number.
    """
    identity, comma, rest = addr.removeprefix(PREFIX).partition(",")
    rest = rest if comma else identity
    interface, semicolon, rest = rest.partition(";")
    host, _, port = (rest if semicolon else interface).rpartition(":")
    if not host or not is_number(port, 65535) or (comma and identity and not is_number(identity, 0xFFFFFFFF)):
        raise wrong(addr, "it is norm://[id,][interface;]host:port")
    family, address = resolved(host, addr)
    is_group = ipaddress.ip_address(address.partition("%")[0]).is_multicast
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            if is_group:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            begun, was_group = begins.get(int(port), (0.0, True))
            if time.monotonic() - begun < BEGINS and not (is_group and was_group):
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            trial.bind(("", int(port)))
            if is_group:
                join(trial, address, interface if semicolon else "")
    except OSError as error:
        raise wrong(addr, error.strerror or str(error), error.errno or errno.EINVAL) from None
    return int(port), is_group


def note(port: int, is_group: bool) -> None:
    """Note that libzmq begins a session, which `check` found possible and described."""
    if port:
        begins[port] = time.monotonic(), is_group


def is_number(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= most


def wrong(addr: str, why: str, number: int = errno.EINVAL) -> ZMQError:
    return error_for(number, f"{why} (addr={addr})")


def resolved(host: str, addr: str) -> tuple[socket.AddressFamily, str]:
    """Return the family and the address of a host: IPv4 if it has one."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            found = socket.getaddrinfo(host, None, family, socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            continue
        if found:
            return family, str(found[0][4][0])
    raise wrong(addr, f"the host {host!r} is unknown")


def index_of(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except (OSError, ValueError):
        raise OSError(errno.ENODEV, f"there is no interface {interface!r}") from None


def join(trial: socket.socket, group: str, interface: str) -> None:
    """Become a member of a group, on an interface that is given by its name or by an address that it has."""
    given, index = None, 0
    if interface:
        try:
            given = ipaddress.ip_address(interface)
        except ValueError:
            index = index_of(interface)
    version = 4 if trial.family == socket.AF_INET else 6
    if given is not None and given.version != version:
        raise OSError(errno.EAFNOSUPPORT, f"the interface {interface} is no address of IPv{version}, as the group is")
    if trial.family == socket.AF_INET:
        here = bytes(4)
        if given is not None:
            here = given.packed
        elif interface:
            # One that has no address can't be used.
            here = fcntl.ioctl(trial, SIOCGIFADDR, struct.pack("256s", interface.encode()))[20:24]
        trial.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + here)
    else:
        if given is not None:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
                try:
                    other.bind((interface, 0))
                except socket.gaierror:
                    # Its numbers are no errno: the scope of the address is unknown.
                    raise OSError(errno.ENODEV, f"there is no interface {interface!r}") from None
        packed = ipaddress.IPv6Address(group.partition("%")[0]).packed
        trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed + struct.pack("@I", index))
