"""`PUBHandler` and `TopicLogger` on every front-end: what is published, and that logging never harms the program."""

from __future__ import annotations

import asyncio
import importlib
import logging
import logging.config
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.asyncio as zmq_asyncio
from support.front_ends import LIMIT, FrontEnd
from support.programs import run
from zmq.core.native_threads import NativeThread
from zmq.eventloop import future
from zmq.log.handlers import TOPIC_DELIM, PUBHandler


@pytest.fixture
def handlers(front_end: FrontEnd) -> ModuleType:
    return importlib.import_module(f"{front_end.zmq.__name__}.log.handlers")


class Scene:
    """A logger with one handler, and a subscriber to all of it."""

    def __init__(self, handlers: ModuleType, context: Any, zmq: ModuleType, kind: type[logging.Logger]) -> None:
        self.pub, self.sub = context.socket(zmq.XPUB), context.socket(zmq.SUB)
        self.pub.sndhwm = self.sub.rcvhwm = 0
        self.pub.bind("inproc://log")
        self.sub.rcvtimeo = int(LIMIT * 1000)
        self.sub.subscribe(b"")
        self.sub.connect("inproc://log")
        assert self.pub.recv() == b"\1"
        self.handler = handlers.PUBHandler(self.pub)
        self.logger = kind("test", logging.DEBUG)
        self.logger.addHandler(self.handler)

    def got(self) -> tuple[str, str]:
        topic, text = self.sub.recv_multipart()
        return topic.decode(), text.decode()


@pytest.fixture
def make(handlers: ModuleType, context: Any, zmq: ModuleType) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(kind: type[logging.Logger] = logging.Logger) -> Scene:
        made.append(Scene(handlers, context, zmq, kind))
        return made[-1]

    yield make
    for scene in made:
        scene.handler.close()


@pytest.fixture(autouse=True)
def errors(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the errors that handlers report: a test that expects them takes them out."""
    found: list[str] = []

    def note(self: logging.Handler, record: logging.LogRecord) -> None:
        error = sys.exc_info()[0]
        assert error is not None
        found.append(error.__name__)

    monkeypatch.setattr(logging.Handler, "handleError", note)
    yield found
    assert not found


def test_a_socket_of_asyncio(errors: list[str]) -> None:
    """A record is published at once, also where no loop runs, and nothing is left to be awaited."""
    with zmq_asyncio.Context() as context, plain.Context(context) as native, native.socket(plain.SUB) as sub:
        for kind in (zmq_asyncio.Socket, future.Socket):
            pub = kind(context, plain.XPUB)
            pub.bind(f"inproc://{kind.__module__}")
            sub.rcvtimeo = int(LIMIT * 1000)
            sub.subscribe(b"")
            sub.connect(f"inproc://{kind.__module__}")
            handler = PUBHandler(pub)
            assert handler.socket is pub and handler.ctx is pub.context
            logger = logging.Logger("test")
            logger.addHandler(handler)
            assert plain.Socket.shadow(pub).recv() == b"\1"
            logger.info("one")

            async def log(logger: logging.Logger) -> None:
                logger.info("two")

            asyncio.run(log(logger))
            assert [sub.recv_multipart() for _ in "12"] == [[b"INFO", b"one\n"], [b"INFO", b"two\n"]]
            pub.close()
            logger.info("three")
            assert errors == ["ZMQError"]
            errors.clear()
            handler.close()


# What is published.


def test_topics_and_texts(make: Callable[..., Scene]) -> None:
    scene = make()
    for level, text in {
        "debug": "DEBUG test_log.py:{line} - é 1\n",
        "info": "é 1\n",
        "warning": "WARNING test_log.py:{line} - é 1\n",
        "error": "ERROR test_log.py:{line} - é 1 - None\n",
        "critical": "CRITICAL test_log.py:{line} - é 1\n",
    }.items():
        getattr(scene.logger, level)("é %d", 1)
        line = sys._getframe().f_lineno - 1
        assert scene.got() == (level.upper(), text.format(line=line))


def test_root_topics(make: Callable[..., Scene]) -> None:
    scene = make()
    assert scene.handler.root_topic == ""
    for topic, name in {"a": "a", "é": "é", b"b": "b", b"\xff": "\udcff"}.items():
        for number in range(2):
            if number:
                scene.handler.setRootTopic(topic)
            else:
                scene.handler.root_topic = topic
            assert scene.handler.root_topic == name
            scene.logger.info("1")
            raw = topic if isinstance(topic, bytes) else topic.encode()
            assert scene.sub.recv_multipart() == [raw + b".INFO", b"1\n"]
    with pytest.raises(TypeError, match="root_topic must be str or bytes, not int"):
        scene.handler.root_topic = 1
    with pytest.raises(TypeError, match="root_topic"):
        scene.handler.setRootTopic(())
    scene.handler.root_topic = ""
    scene.logger.info("1")
    assert scene.got() == ("INFO", "1\n")


def test_subtopics(make: Callable[..., Scene]) -> None:
    scene = make()
    scene.handler.root_topic = "root"

    class Message:
        def __str__(self) -> str:
            return "topic::text %s"

    for message, arguments, topic, text in [
        ("a.b::text", (), "root.INFO.a.b", "text\n"),
        ("a::b::c", (), "root.INFO.a", "b::c\n"),
        ("::text", (), "root.INFO", "text\n"),
        ("a::", (), "root.INFO.a", "\n"),
        ("%s", ("a::b",), "root.INFO", "a::b\n"),
        ("100%::%s", ("é",), "root.INFO.100%", "é\n"),
        ("tøpic::é", (), "root.INFO.tøpic", "é\n"),
        ("\ud800::\udcff", (), "root.INFO.\\ud800", "\\udcff\n"),
        (Message(), ("1",), "root.INFO.topic", "text 1\n"),
        (5, (), "root.INFO", "5\n"),
        (None, (), "root.INFO", "None\n"),
        (f"x{TOPIC_DELIM}y", (), "root.INFO.x", "y\n"),
    ]:
        scene.logger.info(message, *arguments)
        assert scene.got() == (topic, text)


def test_other_handlers_see_the_record_as_it_was(make: Callable[..., Scene]) -> None:
    scene = make()
    seen: list[str] = []

    class Other(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    scene.logger.addHandler(Other())
    scene.logger.info("topic::text %d", 1)
    assert scene.got() == ("INFO.topic", "text 1\n") and seen == ["topic::text 1"]


def test_exceptions(make: Callable[..., Scene]) -> None:
    scene = make()
    try:
        raise ValueError("wrong")
    except ValueError:
        scene.logger.exception("topic::failed")
        scene.logger.info("failed", exc_info=True)
    topic, text = scene.got()
    assert topic == "ERROR.topic" and "failed" in text and text.endswith("ValueError: wrong")
    topic, text = scene.got()
    assert text.startswith("failed\nTraceback") and text.endswith("ValueError: wrong")


def test_formatters(make: Callable[..., Scene]) -> None:
    scene = make()
    handler, logger = scene.handler, scene.logger
    logger.setLevel(1)

    def texts() -> list[str]:
        found = []
        for level in (5, 10, 15, 20, 35, 60):
            logger.log(level, "x")
            found.append(scene.got()[1])
        return [text.replace(f"test_log.py:{logger_line}", "here") for text in found]

    logger_line = texts.__code__.co_firstlineno + 3
    detailed = "{} here - x\n"
    defaults = [detailed.format(name) for name in ("Level 5", "DEBUG", "Level 15", "INFO", "Level 35", "Level 60")]
    defaults[3] = "x\n"
    assert texts() == defaults
    handler.setFormatter(logging.Formatter("debug %(message)s"), logging.DEBUG)
    handler.formatters[logging.INFO] = logging.Formatter("info %(message)s")
    assert texts() == ["debug x", "debug x", "debug x", "info x", *defaults[4:]]
    handler.setFormatter(logging.Formatter("at 35 %(message)s"), 35)
    assert texts()[4:] == ["at 35 x", defaults[5]]
    handler.setFormatter(None, logging.DEBUG)
    assert texts()[:2] == defaults[:2]
    handler.setFormatter(logging.Formatter("all %(message)s"))
    assert texts() == ["all x"] * 6
    handler.setFormatter(None)
    assert texts() == defaults
    handler.formatters.clear()
    assert texts() == ["x"] * 6


def test_levels_and_filters(make: Callable[..., Scene]) -> None:
    scene = make()
    scene.handler.setLevel(logging.WARNING)
    scene.handler.addFilter(lambda record: "no" not in record.getMessage())
    scene.logger.info("1")
    scene.logger.warning("no")
    scene.logger.warning("t::yes")
    assert scene.got()[0] == "WARNING.t"


# TopicLogger.


@pytest.mark.parametrize("method", ["debug", "info", "warn", "warning", "error", "critical", "fatal", "log"])
def test_topic_logger(make: Callable[..., Scene], handlers: ModuleType, method: str) -> None:
    scene = make(handlers.TopicLogger)
    scene.handler.setFormatter(logging.Formatter("%(filename)s:%(lineno)d %(funcName)s %(message)s"))
    level = {"warn": "WARNING", "fatal": "CRITICAL", "log": "Level 7"}.get(method, method.upper())
    scene.logger.setLevel(1)
    arguments = [7] if method == "log" else []
    getattr(scene.logger, method)(*arguments, "a.b", "x %d", 1, extra={"y": 1})
    line = sys._getframe().f_lineno - 1
    assert scene.got() == (f"{level}.a.b", f"test_log.py:{line} test_topic_logger x 1")

    def inner() -> None:
        getattr(scene.logger, method)(*arguments, "", "x", stacklevel=2)

    inner()
    line = sys._getframe().f_lineno - 1
    assert scene.got() == (level, f"test_log.py:{line} test_topic_logger x")
    scene.logger.setLevel(100)
    getattr(scene.logger, method)(*arguments, "a", "not logged")
    scene.logger.setLevel(1)
    getattr(scene.logger, method)(*arguments, "a", "logged")
    assert scene.got()[1].endswith("logged")


def test_the_exception_of_a_topic_logger(make: Callable[..., Scene], handlers: ModuleType) -> None:
    scene = make(handlers.TopicLogger)
    try:
        raise ValueError("wrong")
    except ValueError:
        scene.logger.exception("a", "x")
    topic, text = scene.got()
    assert topic == "ERROR.a" and text.endswith("ValueError: wrong")


# Sockets.


def test_a_handler_closes_the_socket_that_it_made(handlers: ModuleType, zmq: ModuleType, context: Any) -> None:
    handler = handlers.PUBHandler("inproc://made", context, "root")
    assert handler.ctx is context and handler.root_topic == "root"
    assert handler.socket.socket_type == plain.PUB and type(handler.socket) is zmq.Socket
    handler.close()
    assert handler.socket.closed and not context.closed
    handler.close()
    pub = context.socket(zmq.PUB)
    handler = handlers.PUBHandler(pub)
    assert handler.socket is pub and handler.ctx is context
    handler.close()
    assert not pub.closed


def test_a_handler_of_its_own_context(handlers: ModuleType, zmq: ModuleType, ledger: None) -> None:
    handler = handlers.PUBHandler("tcp://127.0.0.1:*")
    assert type(handler.ctx) is zmq.Context
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.rcvtimeo = int(LIMIT * 1000)
        sub.subscribe(b"")
        with handler.ctx.socket(zmq.XPUB) as other:
            # A handler that is given one that can tell when somebody has subscribed.
            other.bind("tcp://127.0.0.1:*")
            sub.connect(other.last_endpoint)
            other.recv()
            second = handlers.PUBHandler(other)
            second.handle(logging.makeLogRecord({"msg": "x", "levelname": "INFO", "levelno": 20}))
            assert sub.recv_multipart() == [b"INFO", b"x\n"]
            second.close()
    handler.close()
    handler.ctx.term()


def test_wrong_arguments(handlers: ModuleType, zmq: ModuleType, context: Any) -> None:
    with pytest.raises(TypeError, match="interface_or_socket must be an address as str, or a Socket, not bytes"):
        handlers.PUBHandler(b"inproc://x", context)
    with pytest.raises(TypeError, match="context must be a Context"):
        handlers.PUBHandler("inproc://x", 1)
    with pytest.raises(TypeError, match="root_topic"):
        handlers.PUBHandler("inproc://x", context, 1)
    with pytest.raises(plain.ZMQError):
        handlers.PUBHandler("nothing://x", context)
    first = handlers.PUBHandler("inproc://x", context)
    with pytest.raises(plain.ZMQError, match="in use"):
        handlers.PUBHandler("inproc://x", context)
    first.close()


def test_it_can_be_configured(front_end: FrontEnd, ledger: None) -> None:
    name = f"{front_end.zmq.__name__}.log.handlers.PUBHandler"
    handler = {"class": name, "interface_or_socket": "tcp://127.0.0.1:*", "root_topic": "r", "level": "INFO"}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"pub": handler},
            "loggers": {"configured": {"handlers": ["pub"]}},
        }
    )
    logger = logging.getLogger("configured")
    (made,) = logger.handlers
    assert made.root_topic == "r" and made.level == logging.INFO  # type: ignore[attr-defined]
    logger.warning("nobody listens")
    logger.removeHandler(made)
    made.close()
    made.ctx.term()  # type: ignore[attr-defined]


# What goes wrong.


def test_no_error_reaches_the_program(make: Callable[..., Scene], errors: list[str], zmq: ModuleType) -> None:
    scene = make()

    class Bad:
        def __str__(self) -> str:
            raise KeyError("bad")

    for message, arguments, error in [
        ("%d", ("x",), "TypeError"),
        ("%s %s", (1,), "TypeError"),
        (Bad(), (), "KeyError"),
        ("%s", (Bad(),), "KeyError"),
    ]:
        scene.logger.info(message, *arguments)
        assert errors == [error], message
        errors.clear()
    scene.handler.formatters = {logging.INFO: None}
    scene.logger.info("x")
    assert errors == ["AttributeError"]
    errors.clear()
    scene.handler.setFormatter(None)
    scene.logger.info("still works")
    assert scene.got() == ("INFO", "still works\n")
    scene.pub.close()
    scene.logger.info("x")
    assert errors == ["ZMQError"]
    errors.clear()
    context = plain.Context()
    pub = context.socket(plain.PUB)
    handler = type(scene.handler)(pub)
    thread = NativeThread(context.term)
    thread.start()
    while not errors:
        handler.handle(logging.makeLogRecord({"levelname": "INFO", "levelno": 20}))
    assert errors == ["ContextTerminated"]
    pub.close()
    thread.join(LIMIT)
    errors.clear()
    # A handler that was closed has nothing more to say.
    handler.close()
    handler.handle(logging.makeLogRecord({"levelname": "INFO", "levelno": 20}))
    assert not errors


def test_a_full_queue_drops_and_never_waits(
    make: Callable[..., Scene], handlers: ModuleType, zmq: ModuleType, context: Any, front_end: FrontEnd
) -> None:
    for kind, options in ((zmq.PUB, {}), (zmq.XPUB, {"xpub_nodrop": 1}), (zmq.PUSH, {})):
        pub, sub = context.socket(kind), context.socket(zmq.PULL if kind == zmq.PUSH else zmq.SUB)
        pub.sndhwm = sub.rcvhwm = 5
        for name, value in options.items():
            setattr(pub, name, value)
        pub.bind(f"inproc://full-{kind}")
        if kind != zmq.PUSH:
            sub.subscribe(b"")
        sub.rcvtimeo = int(LIMIT * 1000)
        sub.connect(f"inproc://full-{kind}")
        handler = handlers.PUBHandler(pub)
        task = front_end.spawn(
            lambda handler=handler: [
                handler.handle(logging.makeLogRecord({"msg": f"{i}", "levelname": "INFO", "levelno": 20}))
                for i in range(100)
            ]
        )
        assert task.get() == [True] * 100
        received = [sub.recv_multipart() for _ in range(5)]
        assert received == [[b"INFO", b"%d\n" % i] for i in range(5)]
        handler.close()


def test_threads_and_greenlets_log_through_one_handler(make: Callable[..., Scene], front_end: FrontEnd) -> None:
    scene = make()
    scene.handler.setFormatter(logging.Formatter("%(message)s"))
    number, each = 8, 100

    class Slow:
        """A message in which a greenlet is switched away."""

        def __init__(self, text: str, pause: Callable[[], object]) -> None:
            self.text = text
            self.pause = pause

        def __str__(self) -> str:
            self.pause()
            return self.text

    def log(name: int, pause: Callable[[], object]) -> None:
        for i in range(each):
            scene.logger.info(f"topic{name}::%s", Slow(f"{name} {i}", pause))

    threads = [NativeThread(lambda name=name: log(name, lambda: None)) for name in range(number)]
    tasks = [front_end.spawn(log, number + name, lambda: front_end.sleep(0)) for name in range(number)]
    for thread in threads:
        thread.start()
    received: dict[str, list[int]] = {}
    for _ in range(2 * number * each):
        topic, text = scene.got()
        assert topic.startswith("INFO.topic")
        name, i = text.split()
        received.setdefault(name, []).append(int(i))
    for task in tasks:
        task.get()
    for thread in threads:
        thread.join(LIMIT)
    # None was lost, and those of each came in order.
    assert received == {str(name): [*range(each)] for name in range(2 * number)}


def test_who_formats_holds_up_nobody(make: Callable[..., Scene], front_end: FrontEnd) -> None:
    """A greenlet that is switched away while it formats, and a native thread that logs meanwhile."""
    scene = make()
    formatting, finish = front_end.Event(), front_end.Event()

    class Message:
        def __str__(self) -> str:
            formatting.set()
            finish.wait(LIMIT)
            return "late"

    task = front_end.spawn(scene.logger.info, Message())
    formatting.wait(LIMIT)
    thread = NativeThread(lambda: scene.logger.info("early"))
    thread.start()
    assert scene.got() == ("INFO", "early\n")
    finish.set()
    task.get()
    assert scene.got() == ("INFO", "late\n")
    thread.join(LIMIT)


def test_a_signal_that_logs_while_a_record_is_sent(make: Callable[..., Scene], handlers: ModuleType) -> None:
    """The lock is reentrant."""
    scene = make()
    with scene.handler._sending:
        scene.logger.info("inside")
    assert scene.got() == ("INFO", "inside\n")


def test_subclasses_that_emit_themselves_hold_the_lock_of_logging(handlers: ModuleType, context: Any) -> None:
    held: list[bool] = []

    class Own(handlers.PUBHandler):  # type: ignore[name-defined, misc]
        def emit(self, record: logging.LogRecord) -> None:
            thread = threading.Thread(target=lambda: held.append(not self.lock.acquire(blocking=False)))
            thread.start()
            thread.join()

    handler = Own("inproc://own", context)
    handler.handle(logging.makeLogRecord({}))
    handler.close()
    assert held == [True]


def test_a_forked_child_can_log(front_end: FrontEnd) -> None:
    """Though another thread held the lock; its socket is its parent's, so what it logs is an error that is reported."""
    run(
        front_end,
        """
        import importlib, logging, os, threading
        handlers = importlib.import_module(f"{zmq.__name__}.log.handlers")
        handler = handlers.PUBHandler("inproc://x")
        reported = []
        handler.handleError = reported.append
        held, finish = threading.Event(), threading.Event()

        def hold():
            with handler._sending:
                held.set()
                finish.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        pid = os.fork()
        if pid == 0:
            record = logging.makeLogRecord({"levelno": 20, "levelname": "INFO"})
            handler.handle(record)
            os._exit(len(reported))
        finish.set()
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
        handler.close()
        handler.ctx.term()
        """,
    )


@pytest.mark.parametrize("first", ["handler", "patch"])
def test_monkeypatched(front_end: FrontEnd, first: str) -> None:
    """Greenlets and native threads of a patched program share a handler; `logging` is patched too."""
    if not hasattr(front_end, "framework"):
        pytest.skip("nothing to patch")
    program = f"""
        import importlib, logging, warnings
        warnings.simplefilter("ignore")
        first = {first!r}
        monkey = importlib.import_module(f"{{zmq.__name__}}.monkey")
        import zmq as plain
        from zmq.log.handlers import PUBHandler
        from zmq.core.native_threads import NativeThread
        if first == "patch":
            monkey._patch_everything()
        context = plain.Context()
        pub, sub = context.socket(plain.XPUB), context.socket(plain.SUB)
        handler = PUBHandler(pub)
        logger = logging.Logger("x")
        logger.addHandler(handler)
        if first == "handler":
            monkey._patch_everything()
        assert plain.Socket._get_hub is not None
        pub.sndhwm = sub.rcvhwm = 0
        pub.bind("inproc://x")
        sub.subscribe(b"")
        sub.connect("inproc://x")
        pub.recv()

        def log():
            for i in range(500):
                logger.info("%d", i)

        import threading
        # Eventlet's locks can't be shared by threads: the logger remembers this, and asks for no lock of the module's,
        # and no record says which thread it is of, for which eventlet takes one.
        logger.isEnabledFor(logging.INFO)
        logging.logThreads = False
        native = [NativeThread(log) for _ in range(3)]
        green = [threading.Thread(target=log) for _ in range(3)]
        for thread in native + green:
            thread.start()
        assert sorted(int(sub.recv_multipart()[1]) for _ in range(3000)) == sorted([*range(500)] * 6)
        for thread in native + green:
            thread.join()
        handler.close()
        pub.close(); sub.close(); context.term()
    """
    run(front_end, program, quiet=False)


def test_no_topic_at_its_root(handlers: ModuleType, context: Any, zmq: ModuleType) -> None:
    scene = Scene(handlers, context, zmq, logging.Logger)
    for nothing in (None, "", b""):
        scene.handler.root_topic = "root"
        scene.handler.root_topic = nothing
        scene.logger.info("text")
        assert scene.got() == ("INFO", "text\n") and scene.handler.root_topic == ""
