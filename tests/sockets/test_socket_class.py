"""The class Socket: put together of many bases, and like a single class to those who use it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import GetSetDescriptorType, MethodDescriptorType, ModuleType, WrapperDescriptorType
from typing import Any

import pytest

from zmq.core.socket import Socket

Pair = Callable[..., tuple[Any, Any]]


def test_the_methods_of_its_bases_are_its_own() -> None:
    for name in dir(Socket):
        found = inspect.getattr_static(Socket, name)
        kinds = MethodDescriptorType | GetSetDescriptorType | WrapperDescriptorType
        if isinstance(found, kinds) and found.__objclass__ is not object:
            assert found.__objclass__ is Socket, name


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("setsockopt", lambda socket, zmq: socket.set(zmq.LINGER, 0)),
        ("getsockopt", lambda socket, zmq: socket.get(zmq.LINGER)),
        ("send", lambda socket, zmq: socket.send_many([bytes(5000)])),
        ("send_multipart", lambda socket, zmq: socket.send_many([(b"1", b"2")], multipart=True)),
    ],
    ids=["setsockopt", "getsockopt", "send", "send_multipart"],
)
def test_a_patched_method_is_what_the_others_call(
    pair: Pair, zmq: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, use: Callable[[Any, ModuleType], Any]
) -> None:
    sending, _ = pair(zmq.PUSH, zmq.PULL)
    calls = []
    plain = getattr(Socket, name)

    def patched(*args: Any) -> Any:
        calls.append(args[0])
        return plain(*args)

    monkeypatch.setattr(Socket, name, patched)
    use(sending, zmq)
    assert calls == [sending]


#: A class that annotates a name: in which way its annotations are kept depends on the version of Python.
ANNOTATING = """
class Annotating(base):
    note: int
    other: NotThere
"""


@pytest.mark.parametrize("kind", ["Socket", "Context"])
@pytest.mark.parametrize("later", [False, True], ids=["as-is", "from-future"])
def test_a_name_that_a_class_annotates_is_an_attribute(kind: str, zmq: ModuleType, ledger: None, later: bool) -> None:
    """What it annotates it with need not be there any more."""
    text = ("from __future__ import annotations\n" if later else "") + ANNOTATING
    names = {"base": getattr(zmq, kind), "NotThere": int}
    exec(compile(text, "annotating", "exec", dont_inherit=True), names)
    del names["NotThere"]
    derived: Any = type("Derived", (names["Annotating"],), {})
    with zmq.Context() as context:
        made = derived(context, zmq.PAIR) if kind == "Socket" else derived()
        with made:
            made.note = made.other = "5"
            assert (made.note, made.other) == ("5", "5")
            with pytest.raises(AttributeError, match="no such option: NOTES"):
                made.notes = 5
