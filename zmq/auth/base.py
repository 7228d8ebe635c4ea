"""`Authenticator`: decides who may connect.

Lives here: the replies to requests, for every front-end. What must not: the policies (`zmq.auth._policies`), what runs
it (`zmq.auth.thread` and its like), and how the socket is held (`zmq.auth._door`).
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
from collections.abc import Awaitable, Coroutine, Mapping
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypeVar

from zmq.auth import _door, _policies, _redaction, _zap
from zmq.auth._door import Door, NativeSocket, Place, Turn
from zmq.auth._zap import VERSION as VERSION
from zmq.auth.certs import load_certificates as load_certificates
from zmq.core.constants import Errno
from zmq.core.context import Context
from zmq.core.error import ContextTerminated, ZMQError
from zmq.utils import z85

__all__ = ["CURVE_ALLOW_ANY", "Authenticator"]

#: The location for `Authenticator.configure_curve` that admits every key.
CURVE_ALLOW_ANY = "*"

DENIED = "denied"
INTERNAL_ERROR = [b"500", b"internal error", b"", b""]
#: What ends whatever answers the requests; a greenlet and a task have one more.
ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit)

T = TypeVar("T")


class Denied(Exception):
    """The message says why; it is logged, and holds no secret."""


def check(who: str, verdict: tuple[bool, bytes]) -> None:
    """Raise where a verdict is not to let in whoever asks."""
    let_in, reason = verdict
    if not let_in:
        raise Denied(f"refused a {who}: {reason.decode(errors='backslashreplace')}")


def normal(address: str) -> str:
    """Return one spelling of an address: a host may come as IPv4 today, and mapped into IPv6 tomorrow."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(getattr(found, "ipv4_mapped", None) or found)


def names_of(address: str) -> set[str]:
    """Return what a peer's address is called: one with a zone, ``fe80::1%eth0``, also without it."""
    found = normal(address)
    return {found, found.partition("%")[0]}


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing that an event loop would have to bring."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("this authenticator runs in no event loop: only a credentials provider may be asynchronous")


class Authenticator:
    """Answers libzmq's question, for every connection to a socket with security, whether it is let in.

    This is what all authenticators have in common. By itself it has nobody who receives: a program that uses it does
    ``await authenticator.handle_zap_message(authenticator.zap_socket.recv_multipart())`` for every request.

    NULL connections are let in until `allow` or `deny` say something else; libzmq asks about those to sockets with a
    ZAP_DOMAIN only. PLAIN and CURVE connections are refused until `configure_plain`, `configure_curve` or
    `configure_curve_callback`. GSSAPI connections, of whom Kerberos knows who they are, are let in unless
    `configure_gssapi` names the principals. All of these may be called at any time, in any thread, and hold for the
    connections that are made from then on; those that are there are kept. Whoever is to be refused that would be let in
    otherwise, by `allow`, `deny` or `configure_gssapi`, should be named before it is started.

    Parameters
    ----------
    context : Context, optional
        The context whose sockets are meant; `Context.instance` when left out. It has one authenticator at a time.
    encoding : str
        That of user names and passwords.
    log : logging.Logger, optional
        ``zmq.auth`` when left out. Passwords and keys that were not let in are never logged.

    Attributes
    ----------
    zap_socket : Socket or None
        What the requests come to, while it is started.

    Notes
    -----
    When it is stopped, or what runs it dies, nobody decides: then every connection of the context's that libzmq would
    ask about is refused, until another authenticator is started or the context is terminated. Where none was ever
    started libzmq admits some: see `require_authenticator`.
    Source: ZeroMQ RFC 27/ZAP, zmq_null(7), zmq_plain(7), zmq_curve(7), zmq_gssapi(7).
    """

    context: Any
    zap_socket: NativeSocket | None = None
    #: Where it decides; set when its turn begins, as it may be asked at once.
    _door: Door | None = None
    _place: Place | None = None
    #: The last one, which may be over.
    _turn: Turn | None = None
    _turn_class: type[Turn] = Turn

    def __init__(
        self, context: Context[Any] | None = None, encoding: str = "utf-8", log: logging.Logger | None = None
    ) -> None:
        if hasattr(self, "_send_zap_reply"):
            raise TypeError(
                f"{type(self).__name__}._send_zap_reply would not be called: replace `_authenticate_plain`, "
                "`_authenticate_curve` or `_authenticate_gssapi`, which say who is let in, or `metadata`"
            )
        self.context = self._default_context() if context is None else context
        self.encoding = encoding
        self.log = logging.getLogger("zmq.auth") if log is None else log
        # Other threads change these while requests are answered: only in one step, so that no lock is needed, which
        # under monkeypatching may be one of greenlets.
        self._allowed: set[str] = set()
        self._denied: set[str] = set()
        self._users: dict[str, _policies.Passwords | _policies.PasswordFile | None] = {}
        self._keys: dict[str, _policies.KeyPolicy | None] = {}
        self._principals: dict[str, _policies.WatchedFile[frozenset[str]] | None] = {}

    def _default_context(self) -> Context[Any]:
        return Context.instance()

    # The policies.

    def allow(self, *addresses: str) -> None:
        """Refuse connections from all addresses but these and those named before.

        NULL connections from them are let in; others have to show their credentials besides.

        Parameters
        ----------
        *addresses : str
            IP addresses, version 4 or 6; link-local ones of every interface, unless a zone is named.

        Raises
        ------
        ValueError
            `deny` was called before.
        """
        self._shut()
        if self._denied:
            raise ValueError("Only use allow or deny, not both")
        self._allowed.update(self._addresses("allow", addresses))

    def deny(self, *addresses: str) -> None:
        """Refuse connections from these addresses.

        Parameters
        ----------
        *addresses : str
            IP addresses, version 4 or 6; link-local ones of every interface, unless a zone is named.

        Raises
        ------
        ValueError
            `allow` was called before.
        """
        self._shut()
        if self._allowed:
            raise ValueError("Only use allow or deny, not both")
        self._denied.update(self._addresses("deny", addresses))

    def _shut(self) -> None:
        """Refuse everybody from now on, until it is started."""
        if self._turn is None or self._turn.over:
            try:
                _door.shut(self.context)
            except ZMQError as error:
                # Somebody else decides, or there is nothing to decide.
                if error.errno not in (Errno.EADDRINUSE, Errno.ETERM, Errno.EFAULT, Errno.ENOTSUP):
                    raise

    def _addresses(self, what: str, addresses: tuple[str, ...]) -> list[str]:
        for address in addresses:
            if not isinstance(address, str):
                raise TypeError(f"an address is a str, not {address!r}")
            try:
                ipaddress.ip_address(address)
            except ValueError:
                self.log.warning("%s: %r is no IP address; names and networks match nobody", what, address)
        self.log.debug("%s %s", what, ", ".join(addresses))
        return [normal(address) for address in addresses]

    def configure_plain(
        self,
        domain: str = "*",
        passwords: Mapping[str, str | bytes] | str | os.PathLike[str] | None = None,
    ) -> None:
        """Say who is let in with a password.

        Parameters
        ----------
        domain : str
            The ZAP_DOMAIN of the sockets that are meant; ``"*"`` for all that have no users of their own.
        passwords : mapping or str or path
            Passwords by user name; a change of the mapping counts at once. Or the path of a file with a line
            ``name=password`` for each user and ``#`` before comments, UTF-8, which is read again when it has changed;
            while it can't be read, or a line is wrong, nobody is let in. Nobody is when this is left out. A relative
            path counts from the directory that is the current one now.

        Raises
        ------
        OSError
            The file can't be read.
        ValueError
            A line of it is wrong.
        TypeError
            `passwords` is something else.

        Notes
        -----
        PLAIN does not encrypt: whoever listens knows the password. Source: zmq_plain(7).
        """
        self._users[domain] = self._plain_policy(domain, passwords)

    def _plain_policy(self, domain: str, passwords: Any) -> _policies.Passwords | _policies.PasswordFile:
        self._shut()
        policy: _policies.Passwords | _policies.PasswordFile
        if passwords is None:
            passwords = {}
        if isinstance(passwords, (str, os.PathLike)):
            path = Path(passwords).absolute()
            policy = _redaction.kept(lambda: _policies.PasswordFile(path, self.log))
        elif isinstance(passwords, Mapping) or hasattr(passwords, "get"):
            policy = _policies.Passwords(passwords, self.encoding)
        else:
            kind = type(passwords).__name__
            del passwords
            raise TypeError(f"passwords are a mapping or the path of a file, not a {kind}")
        self.log.debug("Configure plain: %r", domain)
        return policy

    def configure_curve(self, domain: str = "*", location: str | os.PathLike[str] | None = ".") -> None:
        """Say which keys are let in.

        Parameters
        ----------
        domain : str
            The ZAP_DOMAIN of the sockets that are meant; ``"*"`` for all that have no keys of their own.
        location : str or path, optional
            A directory with the certificates of those who are let in, files whose names end with ``.key`` and do not
            begin with a dot. It may change at any time, and is looked at for every connection. A file that is no
            certificate is logged, as is a directory that is not there, and lets nobody in. A relative path counts from
            the directory that is the current one now. Or `CURVE_ALLOW_ANY`: everybody who knows the public key of the
            server. With None, which is logged as an error, nobody is let in.

        Notes
        -----
        Source: zmq_curve(7).
        """
        self._shut()
        if location == CURVE_ALLOW_ANY:
            self._keys[domain] = _policies.AnyKey()
        elif location is None:
            self._keys[domain] = _policies.NoKey()
            self.log.error("Failed to load CURVE certs from None: nobody is let in to domain %r", domain)
        else:
            self._keys[domain] = _policies.KeyDirectory(Path(location).absolute(), self.log)
        self.log.debug("Configure curve: %r, %s", domain, location)

    def configure_curve_callback(self, domain: str = "*", credentials_provider: Any = None) -> None:
        """Have the program say which keys are let in.

        Parameters
        ----------
        domain : str
            The ZAP_DOMAIN of the sockets that are meant; ``"*"`` for all that have no keys of their own.
        credentials_provider : object
            Its ``callback(domain, key)`` is called where the authenticator runs, with the str and the Z85 text of the
            key as bytes, and returns whether the key is let in. It may be a coroutine function. What it raises is
            logged and the connection refused, a time-out of gevent or eventlet too. KeyboardInterrupt and SystemExit
            end the authenticator; so does, in a greenlet, GreenletExit, and when its task is cancelled CancelledError.

        Raises
        ------
        TypeError
            The object has no such method.
        """
        self._keys[domain] = self._provider_policy(domain, credentials_provider)

    def _provider_policy(self, domain: str, credentials_provider: Any) -> _policies.Provider:
        self._shut()
        if not callable(getattr(credentials_provider, "callback", None)):
            kind = type(credentials_provider).__name__
            raise TypeError(f"a credentials provider has a method callback(domain, key); a {kind} has none")
        self.log.debug("Configure curve callback: %r", domain)
        return _policies.Provider(credentials_provider)

    def configure_gssapi(self, domain: str = "*", location: str | os.PathLike[str] | None = None) -> None:
        """Say which principals are let in.

        Parameters
        ----------
        domain : str
            The ZAP_DOMAIN of the sockets that are meant; ``"*"`` for all that have no principals of their own.
        location : str or path, optional
            A file with a principal in each line and ``#`` before comments, which is read again when it has changed.
            When left out all are let in whom Kerberos knows. A relative path counts from the directory that is the
            current one now.

        Raises
        ------
        OSError, ValueError
            The file can't be read.

        Notes
        -----
        libzmq 4.3.4 lets in whom a ZAP handler refuses with 400. This one answers 401 to requests of GSSAPI, which ends
        the connection; `docs/security.md` says more. Source: zmq_gssapi(7).
        """
        self._shut()
        if location is None:
            self._principals[domain] = None
        else:
            none: frozenset[str] = frozenset()
            path = Path(location).absolute()
            self._principals[domain] = _policies.WatchedFile(path, _policies.load_principals, none, self.log)
        self.log.debug("Configure gssapi: %r", domain)

    # The same as mappings, which programs read and write.

    @property
    def passwords(self) -> _policies.Domains:
        """mapping : the passwords by user name, by domain; not those of files. What is put there is in force.

        All of them can be replaced at once, by assignment: then a connection is decided by what was there, or by what
        is there now. Where one of them is wrong nothing is replaced. So it is with `certs` and `credentials_providers`.
        """
        return _policies.Domains(self._users, _policies.passwords_of, self._plain_policy)

    @passwords.setter
    def passwords(self, passwords: Mapping[str, Any]) -> None:
        self.passwords.replace(passwords)

    @property
    def certs(self) -> _policies.Domains:
        """mapping : by domain, a mapping of the keys that are let in, as Z85 text in bytes, to a true value.

        What is put there is in force, and may change at any time. The keys of a directory can be seen, not changed.
        """
        return _policies.Domains(self._keys, _policies.keys_of, self._keys_policy)

    @certs.setter
    def certs(self, certs: Mapping[str, Any]) -> None:
        self.certs.replace(certs)

    def _keys_policy(self, domain: str, keys: Mapping[bytes, Any]) -> _policies.Keys:
        self._shut()
        if not hasattr(keys, "get"):
            raise TypeError(f"keys are a mapping to true or false, not a {type(keys).__name__}")
        self.log.debug("Configure keys: %r", domain)
        return _policies.Keys(keys)

    @property
    def credentials_providers(self) -> _policies.Domains:
        """mapping : what `configure_curve_callback` was given, by domain. What is put there is in force."""
        return _policies.Domains(self._keys, _policies.provider_of, self._provider_policy)

    @credentials_providers.setter
    def credentials_providers(self, providers: Mapping[str, Any]) -> None:
        self.credentials_providers.replace(providers)

    @property
    def allow_any(self) -> bool:
        """bool : whether some domain lets in everybody who knows the server's public key.

        Where it is set to False none does any more. True is `configure_curve` of ``"*"`` with `CURVE_ALLOW_ANY`.
        """
        return any(isinstance(policy, _policies.AnyKey) for policy in list(self._keys.values()))

    @allow_any.setter
    def allow_any(self, allow_any: bool) -> None:
        if allow_any:
            self.configure_curve("*", CURVE_ALLOW_ANY)
            return
        for domain, policy in list(self._keys.items()):
            if isinstance(policy, _policies.AnyKey):
                self._keys[domain] = _policies.NoKey()

    # For subclasses.

    def curve_user_id(self, client_public_key: bytes) -> str:
        """Return the user id of who has a key: what ``frame["User-Id"]`` is for what they send.

        Parameters
        ----------
        client_public_key : bytes
            The 32 bytes of the key.

        Returns
        -------
        str
            The key as Z85, unless a subclass knows better.
        """
        return z85.encode(client_public_key).decode("ascii")

    def metadata(self, domain: str, mechanism: str, user_id: str) -> Mapping[str, str | bytes]:
        """Return what else every frame of a connection that is let in shall say, for subclasses to replace.

        Parameters
        ----------
        domain : str
        mechanism : str
            NULL, PLAIN, CURVE or GSSAPI.
        user_id : str

        Returns
        -------
        mapping
            Values by name, as for ``frame["X-Role"]``; none here. Names of one's own begin with ``X-``.
        """
        return {}

    # Requests.

    async def handle_zap_message(self, msg: list[bytes]) -> None:
        """Answer a request; one that is malformed with 400, and 500 where there is an error.

        Parameters
        ----------
        msg : list of bytes
            What `zap_socket` received.
        """
        door, turn = self._door, self._turn
        if door is not None:
            door.note(msg)
        # What is sent where the rest ends in any other way, also by a kill.
        reply = INTERNAL_ERROR
        try:
            reply = await self._decide(msg)
        except _zap.MalformedRequest as error:
            self.log.error("a malformed ZAP request: %s", str(error))
            reply = [b"400", b"malformed request", b"", b""]
        except Denied as error:
            # Not the error itself: who keeps the record would keep its traceback with it.
            self.log.info("%s", str(error))
            reply = [b"400", DENIED.encode(), b"", b""]
        except BaseException as error:
            _redaction.forget(error)
            if self._is_end(error):
                raise
            self.log.error("a ZAP request could not be answered", exc_info=_redaction.shown(error))
        finally:
            msg = []
            # Unless it was stopped meanwhile: then somebody else has the door.
            if door is not None and door is self._door and not (turn is not None and turn.over):
                # That the context ends is heard when the next request is to be received.
                with contextlib.suppress(ContextTerminated):
                    door.reply(*reply)

    async def _decide(self, msg: list[bytes]) -> list[bytes]:
        """Return the reply to a request that is let in."""
        request = _zap.parse(msg)
        domain, mechanism = request.domain or "*", request.mechanism
        who = f"{mechanism} connection from {request.address!r} to domain {request.domain!r}"
        names = names_of(request.address)
        if names & self._denied or (self._allowed and not names & self._allowed):
            raise Denied(f"refused a {who}: the address is not allowed")
        if mechanism == "NULL":
            user_id = "anonymous"
        elif mechanism == "PLAIN":
            user_id = self._user(domain, who, *request.credentials)
        elif mechanism == "CURVE":
            user_id = await self._owner(domain, who, *request.credentials)
        else:
            user_id = self._principal(domain, who, *request.credentials)
        if not isinstance(user_id, str):
            raise TypeError(f"a user id is a str, not a {type(user_id).__name__}")
        raw = user_id.encode()
        if len(raw) > _zap.LONGEST.get(mechanism, 255):
            raise ValueError(f"a user id has at most 255 bytes, not {len(raw)}")
        metadata = _zap.encode_metadata(self.metadata(domain, mechanism, user_id))
        self.log.debug("let in a %s: user id %r", who, user_id)
        return [b"200", b"OK", raw, metadata]

    def _user(self, domain: str, who: str, name: bytes, password: bytes) -> str:
        user = _zap.text(name, self.encoding)
        check(who, self._authenticate_plain(domain, user, _zap.text(password, self.encoding)))
        return user

    async def _owner(self, domain: str, who: str, key: bytes) -> str:
        verdict: Any = self._authenticate_curve(domain, key)
        check(who, await verdict if isawaitable(verdict) else verdict)
        return self.curve_user_id(key)

    def _principal(self, domain: str, who: str, principal: bytes) -> str:
        user = _zap.text(principal, "utf-8")
        check(who, self._authenticate_gssapi(domain, principal))
        return user

    # Under the names of PyZMQ's, for subclasses to replace: whether a client is let in, and a text for the log.

    def _authenticate_plain(self, domain: str, username: str, password: str) -> tuple[bool, bytes]:
        users: _policies.Passwords | _policies.PasswordFile | None = _policies.policy_of(self._users, domain)
        right = _policies.is_password(users, username, password.encode(self.encoding), self.encoding)
        if users is None:
            return False, b"no passwords are configured"
        return right, b"OK" if right else f"user {username!r} is unknown, or the password wrong".encode()

    async def _authenticate_curve(self, domain: str, client_key: bytes) -> tuple[bool, bytes]:
        policy: _policies.KeyPolicy | None = _policies.policy_of(self._keys, domain)
        if policy is None:
            return False, b"no keys are configured"
        encoded = z85.encode(client_key)
        if isinstance(policy, _policies.Provider):
            answer = policy.callback(domain, encoded)
            if isawaitable(answer):
                answer = await self._settle(answer)
            known = bool(answer)
        else:
            known = policy.knows(encoded)
        return known, b"OK" if known else b"the key is unknown"

    def _authenticate_gssapi(self, domain: str, principal: bytes) -> tuple[bool, bytes]:
        user = _zap.text(principal, "utf-8")
        file = self._principals.get(domain, self._principals.get("*"))
        known = file is None or user in file.get()
        return known, b"OK" if known else f"the principal {user!r} is not listed".encode()

    async def _settle(self, answer: Awaitable[Any]) -> Any:
        """Wait for what an asynchronous provider returned."""
        return await answer

    def _is_end(self, error: BaseException) -> bool:
        """Tell whether an error ends what answers the requests; every other one concerns the request alone.

        Here nobody knows how that is ended. Those who know let a callback's time-outs end nothing.
        """
        return not isinstance(error, Exception)

    def _answer(self, msg: list[bytes]) -> None:
        """Answer a request where no event loop runs."""
        door, turn = self._door, self._turn
        try:
            answered: Any = self.handle_zap_message(msg)
            if isawaitable(answered):
                finish(answered)  # type: ignore[arg-type]
        except BaseException as error:
            msg = []
            self._not_answered(error)
        if door is not None and door.request_id is not None and not (turn is not None and turn.over):
            door.reply(*INTERNAL_ERROR)

    def _not_answered(self, error: BaseException) -> None:
        """Log what came out of `handle_zap_message`, which a subclass may have replaced; called where it is handled."""
        _redaction.forget(error)
        if self._is_end(error):
            raise error
        # It may be the log that fails.
        with contextlib.suppress(Exception):
            self.log.error("a ZAP request could not be answered", exc_info=_redaction.shown(error))

    # Running.

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.stop()

    def __del__(self) -> None:
        # Of one that was dropped and not stopped the door must not stand open.
        turn = self._turn
        if turn is not None and not turn.over:
            self._drop(turn)

    def _drop(self, turn: Turn) -> None:
        """End a turn from anywhere: this may be any thread, and in the midst of anything."""
        _door.end_later(turn)

    def start(self) -> None:
        """Begin to answer.

        Whatever interrupts it, Ctrl-C or the handler of another signal: it has begun to answer, or everybody is refused
        and it can be started again.

        Raises
        ------
        ZMQError
            EADDRINUSE: this or another ZAP handler of the context runs already. ETERM, EFAULT: the context is
            terminated.
        """
        last = self._turn
        if last is not None and not last.over:
            if last.complete:
                raise ZMQError(Errno.EADDRINUSE)
            # That start was interrupted, and so was what ended the turn.
            _door.end(last)
        self._turn = turn = self._turn_class(self)
        try:
            _door.begin(self.context, turn)
            assert turn.door is not None
            self.zap_socket = turn.door.socket
            self._begin(turn)
            turn.complete = True
        except BaseException:
            try:
                _door.end(turn)
            finally:
                self._forget(turn)
            raise

    def _begin(self, turn: Turn) -> None:
        """Have something answer; nobody does here but the program itself."""
        _door.borrow(turn)
        self._place = Place(self.context, self.stop)

    def stop(self, release: bool = False) -> None:
        """End to answer; nothing where it was not started.

        Connections that are made from then on are refused, until an authenticator is started. One that is interrupted
        is called again.

        Parameters
        ----------
        release : bool
            Whether the context shall have no ZAP handler at all, so that the program can bind one of its own. Then
            libzmq lets in whomever it lets in without: see `require_authenticator`.
        """
        self._end(self._turn, release)

    def _end(self, turn: Turn | None, release: bool = False) -> None:
        """End a turn, if it is not over yet."""
        try:
            if turn is None:
                if release:
                    _door.release(self.context)
            elif release or not turn.over:
                _door.end(turn, release)
        finally:
            self._forget(turn)

    def _done(self, turn: Turn) -> None:
        """Have nothing of a turn that nobody needs to wait for any more."""
        if turn is self._turn:
            self._turn = None

    def _forget(self, turn: Turn | None) -> None:
        """Have nothing of a turn that is over."""
        if turn is self._turn:
            self._door = self.zap_socket = None
            place, self._place = self._place, None
            if place is not None:
                place.over = True
