"""The greenness table: calls that return at once, and make no difference to a greenlet that waits."""

from __future__ import annotations

import gc
import importlib
import io
import logging
import signal
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import pytest

import zmq as plain
from support.greenness_table.row import LARGE, Scene, fill, poller_of, returns
from zmq import NOBLOCK, POLLIN, PULL, PUSH, SUB, XPUB
from zmq.backend import select as backend_select
from zmq.sugar.attrsettr import AttributeSetter
from zmq.utils import interop, jsonapi, monitor, strtypes, win32, z85
from zmq.utils.garbage import GarbageCollector, GarbageCollectorThread

Call = Callable[[Scene], Any]


@contextmanager
def deprecated() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


#: Functions without arguments.
ASK = """
    get_budget get_includes get_library_dirs greenzmq_version pyzmq_version pyzmq_version_info statistics
    zmq_errno zmq_version zmq_version_info
"""


def add_ask(name: str) -> None:
    returns(name, lambda s: getattr(s.zmq, name)())


for name in ASK.split():
    add_ask(name)


def curve(name: str, *keys: bytes) -> Call:
    def call(s: Scene) -> None:
        with nullcontext() if plain.has("curve") else pytest.raises(plain.ZMQError):
            getattr(s.zmq, name)(*keys)

    return call


returns("curve_keypair", curve("curve_keypair"))
returns("curve_public", curve("curve_public", z85.encode(bytes(range(32)))))
returns("has", lambda s: s.zmq.has("ipc"))
returns("set_budget", lambda s: s.zmq.set_budget(s.zmq.get_budget()))
returns("dump", lambda s: s.zmq.dump(io.StringIO()))
returns("uninstall_dump", lambda s: s.zmq.uninstall_dump(signal.SIGUSR1))


def install_dump(s: Scene) -> None:
    s.zmq.install_dump(signal.SIGUSR1, 2)
    assert s.zmq.uninstall_dump(signal.SIGUSR1)


returns("install_dump", install_dump)
returns("set_slow_hub", lambda s: s.zmq.set_slow_hub(None))
returns("set_slow_wait", lambda s: s.zmq.set_slow_wait(None))
returns("strerror", lambda s: s.zmq.strerror(s.zmq.EAGAIN))


def collect_context(s: Scene) -> None:
    context, address = s.zmq.Context(), s.address()
    s.late_push(context, address).close()
    s.kept.clear()
    s.closing.callback(s.receive_late, address)
    with pytest.warns(ResourceWarning, match="Unclosed context"):
        del context
        gc.collect()


def own_instance(s: Scene) -> Any:
    class Own(s.zmq.Context):  # type: ignore[name-defined, misc]
        _instance = None

    return Own.instance()


def forget_default(s: Scene) -> None:
    s.context.rcvhwm = 5
    del s.context.rcvhwm


def shadow(s: Scene) -> Any:
    return s.zmq.Context.shadow(s.context.underlying)


def shadow_pyczmq(s: Scene) -> Any:
    fake = types.SimpleNamespace(zctx=types.SimpleNamespace(underlying=lambda context: context.underlying))
    with mock.patch.dict(sys.modules, pyczmq=fake):
        return s.zmq.Context.shadow_pyczmq(s.context)


returns("Context.watch_peers", lambda s: s.ending(s.zmq.Context()).watch_peers())
returns("Context", lambda s: s.ending(s.zmq.Context()))
returns("Context.__copy__", lambda s: shadow(s).__copy__())
returns("Context.__deepcopy__", lambda s: shadow(s).__deepcopy__({}))
returns("Context.__del__", collect_context, "a message is not sent")
returns("Context.__delattr__", forget_default)
returns("Context.__dir__", lambda s: dir(s.context))
returns("Context.__enter__", lambda s: s.context.__enter__())
returns("Context.__getattr__", lambda s: s.context.io_threads)
returns("Context.__repr__", lambda s: repr(s.context))
returns("Context.__setattr__", lambda s: setattr(s.context, "max_sockets", 500))
returns("Context.get", lambda s: s.context.get(plain.IO_THREADS))
returns("Context.getsockopt", lambda s: s.context.getsockopt(plain.LINGER))
returns("Context.instance", lambda s: s.ending(own_instance(s)))
returns("Context.set", lambda s: s.context.set(plain.MAX_SOCKETS, 500))
returns("Context.setsockopt", lambda s: s.context.setsockopt(plain.LINGER, 0))
returns("Context.shadow", shadow)
returns("Context.shadow_pyczmq", shadow_pyczmq)
returns("Context.socket", lambda s: s.context.socket(PULL))


def with_unsent(use: Callable[[Any], Any]) -> Call:
    """Return a call that ends the life of a socket which may wait for ever to send something."""

    def call(s: Scene) -> None:
        context, address = s.ending(s.zmq.Context()), s.address()
        s.closing.callback(s.receive_late, address)
        use(s.late_push(context, address))

    return call


def leave_socket(push: Any) -> None:
    with push:
        pass


def collect_socket(s: Scene) -> None:
    context = s.ending(s.zmq.Context())
    push = context.socket(PUSH)
    push.linger = 0
    push.connect(s.address())
    push.send(b"lost")
    with pytest.warns(ResourceWarning, match="Unclosed socket"):
        del push
        gc.collect()


def use_addresses(name: str) -> Call:
    def call(s: Scene) -> None:
        address = s.address()
        if name in ("bind", "unbind"):
            s.b.bind(address)
        else:
            s.b.connect(address)
        if name in ("unbind", "disconnect"):
            getattr(s.b, name)(address)

    return call


def use_group(name: str) -> Call:
    def call(s: Scene) -> None:
        if plain.DRAFT_API:
            dish = s.context.socket(plain.DISH)
            dish.join("group")
            if name == "leave":
                dish.leave("group")
        else:
            with pytest.raises(plain.ZMQVersionError):
                getattr(s.b, name)("group")

    return call


def stop_monitor(s: Scene) -> None:
    s.b.get_monitor_socket()
    s.b.disable_monitor()


def delete_attribute(s: Scene) -> None:
    s.b._mark = 1
    del s.b._mark


returns("Socket", lambda s: s.zmq.Socket(s.context, PULL).close())
returns("Socket.__copy__", lambda s: s.b.__copy__())
returns("Socket.__deepcopy__", lambda s: s.b.__deepcopy__({}))
returns("Socket.__del__", collect_socket)
returns("Socket.__delattr__", delete_attribute)
returns("Socket.__enter__", lambda s: s.b.__enter__())
returns("Socket.__exit__", with_unsent(leave_socket), "a message is not sent")
returns("Socket.__exit__", lambda s: s.b.__exit__(None, None, None), closes=True)
returns("Socket.__repr__", lambda s: repr(s.b))
returns("Socket.__setattr__", lambda s: setattr(s.b, "linger", 0))
returns("Socket.bind_to_random_port", lambda s: s.b.bind_to_random_port("tcp://127.0.0.1"))
returns("Socket.close", with_unsent(lambda push: push.close()), "a message is not sent")
returns("Socket.close", with_unsent(lambda push: push.close(linger=-1)), "linger")
returns("Socket.close", lambda s: s.b.close(), closes=True)
returns("Socket.disable_monitor", stop_monitor, again=False)
returns("Socket.counters", lambda s: s.b.counters()["messages_sent"])
returns("Socket.watch_peers", lambda s: s.b.watch_peers())
returns("Socket.fileno", lambda s: s.b.fileno())
returns("Socket.get", lambda s: s.b.get(plain.EVENTS))
returns("Socket.get_hwm", lambda s: s.b.get_hwm())
returns("Socket.get_monitor_socket", lambda s: s.b.get_monitor_socket())
returns("Socket.getsockopt", lambda s: s.b.getsockopt(plain.EVENTS))
returns("Socket.monitor", lambda s: s.b.monitor(s.address("inproc")), again=False)
returns("Socket.set", lambda s: s.b.set(plain.LINGER, 0))
returns("Socket.set_hwm", lambda s: s.b.set_hwm(5))
returns("Socket.setsockopt", lambda s: s.b.setsockopt(plain.LINGER, 0))
returns("Socket.shadow", lambda s: s.zmq.Socket.shadow(s.b.underlying))
returns("Socket.subscribe", lambda s: s.b.subscribe("more"), kinds=(XPUB, SUB))
returns("Socket.unsubscribe", lambda s: s.b.unsubscribe("no such topic"), kinds=(XPUB, SUB))
for name in ("bind", "connect", "disconnect", "unbind"):
    returns(f"Socket.{name}", use_addresses(name))
for name in ("join", "leave"):
    returns(f"Socket.{name}", use_group(name))
for name in ("get_string", "getsockopt_string", "getsockopt_unicode"):
    returns(f"Socket.{name}", lambda s, name=name: getattr(s.b, name)(plain.LAST_ENDPOINT))
for name in ("set_string", "setsockopt_string", "setsockopt_unicode"):
    returns(f"Socket.{name}", lambda s, name=name: getattr(s.b, name)(plain.PLAIN_USERNAME, "me"))


def in_vain(attempt: Callable[[Any], Any]) -> Call:
    def call(s: Scene) -> None:
        with pytest.raises(plain.Again):
            attempt(s.b)

    return call


returns("Socket.recv", in_vain(lambda b: b.recv(NOBLOCK)), "NOBLOCK", again=False)
returns("Socket.recv_into", in_vain(lambda b: b.recv_into(bytearray(1), flags=NOBLOCK)), "NOBLOCK", again=False)
returns("Socket.recv_multipart", in_vain(lambda b: b.recv_multipart(NOBLOCK)), "NOBLOCK", again=False)
returns("Socket.send", lambda s: s.b.send(b"1"), "there is room")
returns("Socket.send", in_vain(lambda b: fill(lambda: b.send(b"1", NOBLOCK)) or b.send(b"1", NOBLOCK)), "NOBLOCK")
returns("Socket.send_multipart", lambda s: s.b.send_multipart([b"1", b"2"]), "there is room")


def while_polled(use: Callable[[Any, Scene], Any]) -> Call:
    """Return a call on a poller that somebody else polls, who hears of another socket after it."""

    def call(s: Scene) -> None:
        a, b = s.pair()
        poller = poller_of(s, s.b, b)
        polling = s.start(poller.poll)
        s.watch()
        use(poller, s)

        def check() -> None:
            assert polling.get() == [(b, POLLIN)]

        s.closing.callback(check)
        s.closing.callback(a.send, b"1")

    return call


def collect_poller(s: Scene) -> None:
    poller = poller_of(s, s.b)
    poller.poll(0)
    del poller
    gc.collect()


returns("Poller", lambda s: s.zmq.Poller())
returns("Poller.poll", lambda s: poller_of(s, s.b).poll(0), "not at all")
returns("Socket.poll", lambda s: s.b.poll(0), "not at all")
returns("select", lambda s: s.zmq.select([s.b], [], [], 0), "not at all")
returns("zmq_poll", lambda s: s.zmq.zmq_poll([(s.b, POLLIN)], 0), "not at all")
returns("Poller.__contains__", while_polled(lambda poller, s: s.b in poller), again=False)
returns("Poller.__del__", collect_poller)
returns("Poller.modify", while_polled(lambda poller, s: poller.modify(s.b, POLLIN)), again=False)
returns("Poller.register", while_polled(lambda poller, s: poller.register(s.context.socket(PULL), POLLIN)), again=False)
returns("Poller.unregister", while_polled(lambda poller, s: poller.unregister(s.b)), again=False)


def set_property(s: Scene) -> None:
    with pytest.raises(plain.ZMQError):
        s.zmq.Frame(b"1").set(plain.MORE, 1)


returns("Frame", lambda s: s.zmq.Frame(LARGE, track=True))
returns("Frame.__copy__", lambda s: s.zmq.Frame(LARGE).__copy__())
returns("Frame.__deepcopy__", lambda s: s.zmq.Frame(LARGE).__deepcopy__({}))
returns("Frame.__getitem__", lambda s: s.zmq.Frame(b"1")[plain.MORE])
returns("Frame.__len__", lambda s: len(s.zmq.Frame(b"1")))
returns("Frame.__repr__", lambda s: repr(s.zmq.Frame(b"1")))
returns("Frame.fast_copy", lambda s: s.zmq.Frame(LARGE).fast_copy())
returns("Frame.get", lambda s: s.zmq.Frame(b"1").get(plain.MORE))
returns("Frame.set", set_property)
returns("MessageTracker", lambda s: s.zmq.MessageTracker(s.zmq.Frame(LARGE, track=True)))


def stopwatch(s: Scene) -> Any:
    with deprecated():
        watch = s.zmq.Stopwatch()
    watch.start()
    return watch


returns("Stopwatch", stopwatch)
returns("Stopwatch.start", stopwatch)
returns("Stopwatch.stop", lambda s: stopwatch(s).stop())

# What changes the whole process.


def monkey(s: Scene) -> Any:
    return importlib.import_module(f"{s.zmq.__name__}.monkey")


returns("monkey.is_patched", lambda s: monkey(s).is_patched(), alone=True)
returns("monkey.patch_all", lambda s: monkey(s).patch_all(), alone=True)
returns("monkey.unpatch_all", lambda s: monkey(s).unpatch_all(), alone=True)
returns("install", lambda s: s.zmq.install(), alone=True, only="zmq.eventlet")

# Event loops. Those of tornado that run are in `greenness_waits`.


def loops(s: Scene) -> Any:
    return importlib.import_module(f"{s.zmq.__name__}.eventloop.ioloop")


def close_all(loop: Any) -> None:
    loop.close(all_fds=True)


def install_loop(s: Scene) -> None:
    with deprecated():
        loops(s).install()
    made = loops(s).IOLoop.current(instance=False)
    if made is not None:
        close_all(made)


def use_loop(act: Callable[[Any], object]) -> Callable[[Scene], None]:
    def use(s: Scene) -> None:
        loop = loops(s).EventLoop()
        act(loop)
        loop.close()

    return use


for name in ("IOLoop", "ZMQIOLoop"):
    made = f"eventloop.ioloop.{name}"
    returns(made, lambda s, name=name: close_all(getattr(loops(s), name)(make_current=False)))
    # It is what a loop is made with.
    returns(f"{made}.initialize", lambda s, name=name: close_all(getattr(loops(s), name)(make_current=False)))
returns("eventloop.ioloop.EventLoop", lambda s: loops(s).EventLoop().close())
returns("eventloop.ioloop.EventLoop.call_soon", use_loop(lambda loop: loop.call_soon(int)))
returns("eventloop.ioloop.EventLoop.call_at", use_loop(lambda loop: loop.call_at(loop.time(), int)))
returns("eventloop.ioloop.EventLoop.stop", use_loop(lambda loop: loop.stop()))
returns("eventloop.ioloop.install", install_loop)


def use_current(name: str, act: Callable[[Any], object]) -> Callable[[Scene], None]:
    def call(s: Scene) -> None:
        cls = getattr(loops(s), name)
        made = cls.current()
        try:
            with deprecated():
                act(cls)
        finally:
            close_all(made)

    return call


for name in ("IOLoop", "ZMQIOLoop"):
    for method in ("current", "instance", "clear_current", "clear_instance"):
        returns(
            f"eventloop.ioloop.{name}.{method}", use_current(name, lambda cls, method=method: getattr(cls, method)())
        )
    returns(f"eventloop.ioloop.{name}.close", use_current(name, lambda cls: None))


def use_stream(act: Callable[[Any], object]) -> Callable[[Scene], None]:
    """Return the call that does something with a stream whose loop does not run."""

    def call(s: Scene) -> None:
        loop = loops(s).IOLoop(make_current=False)
        try:
            socket, _ = s.pair()
            stream = importlib.import_module(f"{s.zmq.__name__}.eventloop.zmqstream").ZMQStream(socket, loop)
            act(stream)
            stream.close()
        finally:
            close_all(loop)

    return call


STREAMS: dict[str, Callable[[Any], object]] = {
    "on_err": lambda stream: stream.on_err(print),
    "on_recv": lambda stream: stream.on_recv(print),
    "on_recv_stream": lambda stream: stream.on_recv_stream(print),
    "on_send": lambda stream: stream.on_send(print),
    "on_send_stream": lambda stream: stream.on_send_stream(print),
    "set_close_callback": lambda stream: stream.set_close_callback(None),
    "send": lambda stream: stream.send(b"x"),
    "send_json": lambda stream: stream.send_json({}),
    "send_multipart": lambda stream: stream.send_multipart([b"x"]),
    "send_pyobj": lambda stream: stream.send_pyobj(None),
    "send_serialized": lambda stream: stream.send_serialized([b"x"], list),
    "send_string": lambda stream: stream.send_string("x"),
    "send_unicode": lambda stream: stream.send_unicode("x"),
}
returns("eventloop.zmqstream.ZMQStream", use_stream(lambda stream: None))
for name, act in STREAMS.items():
    returns(f"eventloop.zmqstream.ZMQStream.{name}", use_stream(act))
for name in ("close", "closed", "flush", "receiving", "sending", "stop_on_err", "stop_on_recv", "stop_on_send"):
    returns(f"eventloop.zmqstream.ZMQStream.{name}", use_stream(lambda stream, name=name: getattr(stream, name)()))
returns("error.strerror", lambda s: s.zmq.error.strerror(1))

# The submodules that all front-ends share.


def use_strtypes(name: str) -> None:
    def call(s: Scene) -> None:
        with deprecated():
            getattr(strtypes, name)("text")

    returns(f"utils.strtypes.{name}", call)


for name in ("asbytes", "b", "cast_bytes", "cast_unicode", "u"):
    use_strtypes(name)

garbage = "utils.garbage.GarbageCollector"
returns(garbage, lambda s: GarbageCollector(s.context))
returns(f"{garbage}.__len__", lambda s: len(GarbageCollector()))
returns(f"{garbage}.is_alive", lambda s: GarbageCollector().is_alive())
returns(f"{garbage}.start", lambda s: GarbageCollector().start())
returns(f"{garbage}.stop", lambda s: GarbageCollector().stop())
returns(f"{garbage}.store", lambda s: GarbageCollector().store(object()))
returns(f"{garbage}Thread", lambda s: GarbageCollectorThread(GarbageCollector()))
returns(f"{garbage}Thread.run", lambda s: GarbageCollectorThread(GarbageCollector()).run())
returns("utils.interop.cast_int_addr", lambda s: interop.cast_int_addr(5))
returns("utils.jsonapi.dumps", lambda s: jsonapi.dumps([1]))
returns("utils.jsonapi.loads", lambda s: jsonapi.loads(b"[1]"))
returns("utils.monitor.parse_monitor_message", lambda s: monitor.parse_monitor_message([b"\1\0" + bytes(4), b""]))
returns("utils.win32.allow_interrupt", lambda s: win32.allow_interrupt(print))
returns("utils.win32.allow_interrupt.__enter__", lambda s: win32.allow_interrupt(print).__enter__())
returns("utils.win32.allow_interrupt.__exit__", lambda s: win32.allow_interrupt(print).__exit__())
returns("utils.z85.decode", lambda s: z85.decode(b"00000"))
returns("utils.z85.encode", lambda s: z85.encode(bytes(4)))
returns("backend.select.select_backend", lambda s: backend_select.select_backend("zmq.backend.cython"))


class Options(AttributeSetter):
    def get(self, option: int) -> object:
        return option

    def set(self, option: int, value: object) -> None:
        assert value == 1


setter = "sugar.attrsettr.AttributeSetter"
returns(setter, lambda s: AttributeSetter())
returns(f"{setter}.__getattr__", lambda s: Options().linger)
returns(f"{setter}.__setattr__", lambda s: setattr(Options(), "linger", 1))
returns(f"{setter}.get", lambda s: Options().get(plain.LINGER))
returns(f"{setter}.set", lambda s: Options().set(plain.LINGER, 1))

# Logging.


def handler(s: Scene) -> Any:
    """A handler that publishes through a socket of the scene."""
    made = importlib.import_module(f"{s.zmq.__name__}.log.handlers").PUBHandler(s.a)
    s.closing.callback(made.close)
    return made


RECORD = logging.makeLogRecord({"msg": "topic::text", "levelno": logging.INFO, "levelname": "INFO"})

pub_handler = "log.handlers.PUBHandler"
returns(pub_handler, handler)
returns(f"{pub_handler}.close", lambda s: handler(s).close())
returns(f"{pub_handler}.emit", lambda s: handler(s).emit(RECORD), kinds=(XPUB, SUB))
returns(f"{pub_handler}.format", lambda s: handler(s).format(RECORD))
returns(f"{pub_handler}.handle", lambda s: handler(s).handle(RECORD), kinds=(XPUB, SUB))
returns(f"{pub_handler}.setFormatter", lambda s: handler(s).setFormatter(None))
returns(f"{pub_handler}.setRootTopic", lambda s: handler(s).setRootTopic("root"))
