"""`zmq.utils`, but for what monitors say."""

from __future__ import annotations

import ctypes
import json
import operator
import os
import subprocess
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zmq as plain
from support.front_ends import LIMIT
from zmq.utils import garbage, interop, strtypes, win32, z85


def run(program: str) -> str:
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def keys_of(thing: Any, collector: garbage.GarbageCollector) -> set[int]:
    """Return where a collector has an object; others may be lent at the same time."""
    return {key for key, ref in collector.refs.items() if ref.obj is thing}


class TestZ85:
    def test_the_example_of_the_rfc(self) -> None:
        raw = bytes([0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B])
        assert z85.encode(raw) == b"HelloWorld"
        assert z85.decode(b"HelloWorld") == z85.decode("HelloWorld") == raw

    def test_the_alphabet(self) -> None:
        assert len(z85.Z85CHARS) == len(set(z85.Z85CHARS)) == len(z85.Z85MAP) == 85
        assert [z85.Z85MAP[char] for char in z85.Z85CHARS] == list(range(85))

    @given(st.binary(max_size=40).map(lambda raw: raw[len(raw) % 4 :]))
    def test_there_and_back(self, raw: bytes) -> None:
        encoded = z85.encode(raw)
        assert len(encoded) * 4 == len(raw) * 5 and set(encoded) <= set(z85.Z85CHARS)
        assert z85.decode(encoded) == z85.decode(encoded.decode("ascii")) == raw

    def test_extremes(self) -> None:
        assert z85.encode(b"") == z85.decode(b"") == z85.decode("") == b""
        assert z85.decode(z85.encode(b"\xff" * 4 + bytes(4))) == b"\xff" * 4 + bytes(4)

    def test_keys_of_libzmq(self) -> None:
        if not plain.has("curve"):
            pytest.skip("libzmq was built without CURVE")
        for key in plain.curve_keypair():
            assert len(z85.decode(key)) == 32
            assert z85.encode(z85.decode(key)) == key

    @pytest.mark.parametrize("kind", [bytearray, memoryview, lambda raw: memoryview(bytearray(raw)).cast("I")])
    def test_what_is_like_bytes(self, kind: Any) -> None:
        assert z85.decode(z85.encode(kind(b"abcdefgh"))) == b"abcdefgh"
        assert z85.decode(kind(b"0" * 20)) == bytes(16)

    def test_wrong_lengths(self) -> None:
        for length in (1, 2, 3, 5, 7):
            with pytest.raises(ValueError, match=f"multiple of 4 bytes, got {length}"):
                z85.encode(bytes(length))
        for length in (1, 4, 6, 39):
            for text in (b"0" * length, "0" * length):
                with pytest.raises(ValueError, match=f"multiple of 5 characters, got {length}"):
                    z85.decode(text)

    def test_wrong_characters(self) -> None:
        for text, char in (("0000000,00", ","), (b"0000000~00", "~"), ("0000000é00", "é"), (b"0000000\xff00", "ÿ")):
            with pytest.raises(ValueError, match=f"'{char}' at position 7"):
                z85.decode(text)

    def test_too_large_a_number(self) -> None:
        assert z85.decode(b"%nSc0") == b"\xff" * 4
        for text in (b"00000%nSc1", "00000#####"):
            with pytest.raises(ValueError, match="at position 5 is more than 4 bytes"):
                z85.decode(text)

    def test_wrong_types(self) -> None:
        for nothing in ("text", 4, None, [1, 2, 3, 4]):
            with pytest.raises(TypeError):
                z85.encode(nothing)  # type: ignore[arg-type]
        for nothing in (5, None, [1, 2, 3, 4, 5]):
            with pytest.raises(TypeError):
                z85.decode(nothing)  # type: ignore[arg-type]


class TestStrtypes:
    def test_to_bytes(self) -> None:
        for function in (strtypes.cast_bytes, strtypes.asbytes, strtypes.b):
            with pytest.deprecated_call() as caught:
                assert function("é") == b"\xc3\xa9"
                assert function("é", "latin-1") == function("é", encoding="latin-1") == b"\xe9"
                assert function("é", "ascii", "replace") == b"?"
                assert function(b"\xff") == b"\xff"
            assert {warning.filename for warning in caught} == {__file__}

    def test_to_text(self) -> None:
        for function in (strtypes.cast_unicode, strtypes.u):
            with pytest.deprecated_call() as caught:
                assert function(b"\xc3\xa9") == "é"
                assert function(b"\xe9", "latin-1") == function(b"\xe9", encoding="latin-1") == "é"
                assert function(b"\xff", errors="replace") == "\ufffd"
                assert function("é") == "é"
            assert {warning.filename for warning in caught} == {__file__}

    def test_errors(self) -> None:
        with pytest.deprecated_call():
            for function in (strtypes.cast_bytes, strtypes.cast_unicode):
                for nothing in (5, None, bytearray(b"1")):
                    with pytest.raises(TypeError, match="expected str or bytes"):
                        function(nothing)  # type: ignore[arg-type]
            with pytest.raises(UnicodeDecodeError):
                strtypes.cast_unicode(b"\xff")

    def test_types(self) -> None:
        assert strtypes.bytes is bytes and strtypes.unicode is str
        assert isinstance("", strtypes.basestring) and not isinstance(b"", strtypes.basestring)


class TestInterop:
    def test_integers(self) -> None:
        class Number:
            def __index__(self) -> int:
                return 7

        assert interop.cast_int_addr(5) == 5 and interop.cast_int_addr(2**63) == 2**63
        assert interop.cast_int_addr(Number()) == 7

    def test_pointers_of_ctypes(self) -> None:
        number = ctypes.c_int(3)
        assert interop.cast_int_addr(ctypes.c_void_p(2**48)) == 2**48
        assert interop.cast_int_addr(ctypes.pointer(number)) == ctypes.addressof(number)
        assert interop.cast_int_addr(ctypes.c_void_p()) == 0
        assert interop.cast_int_addr(ctypes.POINTER(ctypes.c_int)()) == 0

    def test_pointers_of_cffi(self) -> None:
        ffi = pytest.importorskip("cffi").FFI()
        for number in (0, 5, 2**48):
            assert interop.cast_int_addr(ffi.cast("void *", number)) == number
        owner = ffi.new("int *")
        assert interop.cast_int_addr(owner) == int(ffi.cast("uintptr_t", owner))
        for nothing in (ffi.cast("double", 1), ffi.new("struct { int a; } *")[0], ffi.new("int[2]")):
            with pytest.raises(ValueError, match="cffi pointer"):
                interop.cast_int_addr(nothing)

    @pytest.mark.parametrize("nothing", [None, "5", b"5", 5.0, ctypes.c_int(5), [5], object()], ids=repr)
    def test_what_is_no_address(self, nothing: Any) -> None:
        with pytest.raises(ValueError, match="an address is an int"):
            interop.cast_int_addr(nothing)

    def test_a_shadow_of_a_context(self, zmq: ModuleType, context: Any) -> None:
        address = interop.cast_int_addr(ctypes.c_void_p(context.underlying))
        assert zmq.Context.shadow(address).underlying == context.underlying

    def test_it_imports_nothing(self) -> None:
        program = """
import sys
from zmq.utils.interop import cast_int_addr
try:
    cast_int_addr(None)
except ValueError:
    print({"ctypes", "cffi", "_cffi_backend"} & set(sys.modules))
"""
        assert run(program) == "set()\n"


class TestWin32:
    def test_elsewhere_nothing_happens(self) -> None:
        called: list[None] = []
        with win32.allow_interrupt(lambda: called.append(None)) as interrupt:
            assert isinstance(interrupt, win32.allow_interrupt)
        with win32.allow_interrupt():
            pass
        assert not called

    def test_what_is_raised_passes(self) -> None:
        with pytest.raises(KeyboardInterrupt), win32.allow_interrupt():
            raise KeyboardInterrupt

    def test_what_cannot_be_called(self) -> None:
        with pytest.raises(TypeError, match="must be a function, not int"):
            win32.allow_interrupt(5)  # type: ignore[arg-type]

    @pytest.fixture
    def console(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """What Windows has, as much of it as is asked for: the handlers that are set."""
        handlers: list[Any] = []

        def set_or_remove(handler: Any, add: bool) -> bool:
            if not add and handler not in handlers:
                return False
            (handlers.append if add else handlers.remove)(handler)
            return True

        kernel = SimpleNamespace(SetConsoleCtrlHandler=set_or_remove)
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE, raising=False)
        monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: kernel, raising=False)
        monkeypatch.setattr(ctypes, "WinError", OSError, raising=False)
        monkeypatch.setattr(ctypes, "get_last_error", lambda: 87, raising=False)
        return handlers

    def test_on_windows_the_function_is_called(self, console: list[Any]) -> None:
        called: list[None] = []
        interrupt = win32.allow_interrupt(lambda: called.append(None))
        assert not console
        for _ in range(2):
            with interrupt:
                (handler,) = console
                assert handler(0) == 0 and len(called) == 1  # Ctrl-C, which Python is to see too
                assert handler(1) == 0 and len(called) == 1  # Ctrl-Break
            assert not console
            called.clear()

    def test_on_windows_without_a_function(self, console: list[Any]) -> None:
        with win32.allow_interrupt():
            assert console[0](0) == 0

    def test_windows_refuses(self, console: list[Any]) -> None:
        with pytest.raises(OSError, match="87"), win32.allow_interrupt():
            console.clear()


class TestGarbage:
    def test_it_needs_no_thread(self) -> None:
        before = threading.active_count()
        collector = garbage.GarbageCollector()
        collector.start()
        collector.store(b"held")
        assert threading.active_count() == before and not collector.is_alive()
        assert collector.thread is None and collector.pid is None
        thread = garbage.GarbageCollectorThread(collector)
        assert thread.gc is collector and thread.daemon and not thread.is_alive()
        assert thread.pid == os.getpid() and not thread.ready.is_set()
        thread.run()
        assert thread.ready.is_set()

    def test_it_holds_what_it_is_given(self) -> None:
        collector = garbage.GarbageCollector()
        thing, event = object(), threading.Event()
        assert not keys_of(thing, collector)
        first, second = collector.store(thing, event), collector.store(thing)
        assert first != second and keys_of(thing, collector) == {first, second}
        assert len(collector) >= 2 and not keys_of(thing, garbage.gc)
        assert collector.refs[first] == garbage.gcref(thing, event) == (thing, event)
        assert collector.refs[second] == garbage.gcref(obj=thing, event=None)
        assert not event.is_set()
        collector.stop()
        assert event.is_set() and not keys_of(thing, collector)
        collector.stop()

    def test_it_shows_what_is_lent(self, zmq: ModuleType) -> None:
        data = bytes(100_000)
        frame = zmq.Frame(data, copy=False, track=True)
        tracker = frame.tracker
        (number,) = keys_of(data, garbage.gc)
        assert garbage.gc.refs[number] == garbage.gcref(data, None)
        garbage.gc.stop()
        assert keys_of(data, garbage.gc) == {number}
        del frame
        tracker.wait(LIMIT)
        assert not keys_of(data, garbage.gc)

    def test_its_context(self, zmq: ModuleType, context: Any, ledger: None) -> None:
        collector = garbage.GarbageCollector(context)
        assert collector.context is context
        collector.context = None
        assert collector.context is plain.Context.instance()
        plain.Context.instance().term()
        assert isinstance(collector.url, str)


def test_the_modules_are_loaded_when_they_are_asked_for() -> None:
    program = """
import sys, zmq.utils
names = ["garbage", "interop", "jsonapi", "monitor", "strtypes", "win32", "z85"]
print([name for name in names if f"zmq.utils.{name}" in sys.modules])
print(set(names) <= set(dir(zmq.utils)))
print([name for name in names if getattr(zmq.utils, name) is not sys.modules[f"zmq.utils.{name}"]])
print("asyncio" in sys.modules)
"""
    assert run(program).splitlines() == ["[]", "True", "[]", "False"]
    assert run("from zmq.utils import *; print(interop.__name__, jsonapi.__name__, z85.__name__)").split() == [
        "zmq.utils.interop",
        "zmq.utils.jsonapi",
        "zmq.utils.z85",
    ]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        operator.attrgetter("utils.nothing")(plain)


def test_json() -> None:
    """As `json.dumps` writes it, with all its arguments."""
    value = {"b": [1, None, "é"], "a": 1.5}
    for kwargs in ({}, {"indent": 1}, {"sort_keys": True}, {"separators": (",", ":")}, {"ensure_ascii": False}):
        assert plain.utils.jsonapi.dumps(value, **kwargs) == json.dumps(value, **kwargs).encode()
        assert plain.utils.jsonapi.loads(plain.utils.jsonapi.dumps(value, **kwargs)) == value
