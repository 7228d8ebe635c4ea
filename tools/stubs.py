"""Write what is tedious to write in the stubs by hand: the options as attributes, in lower and in upper case.

Run it when a constant was added: ``python tools/stubs.py``. Everything else in the stubs is written by hand, and
``make lint`` compares all of it with the compiled modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zmq.core.constants import ContextOption, SocketOption, _OptType

STUB = Path(__file__).resolve().parents[1] / "zmq" / "core" / "sockets" / "options.pyi"
MARK = "# What follows is written by tools/stubs.py.\n"
# Methods of `Socket` have these names.
METHODS = ("subscribe", "unsubscribe")


def type_of(option: SocketOption) -> str:
    kind = "bytes" if option._opt_type is _OptType.bytes else "int"
    return f"OptionAttribute[{kind}]"


def attributes(name: str, types: dict[str, str]) -> Iterator[str]:
    """Yield a class that has every option by both spellings of its name."""
    yield f"\n@type_check_only\nclass {name}:\n"
    for option, type_ in types.items():
        for spelling in (option, option.lower()):
            if spelling not in METHODS:
                yield f"    {spelling}: {type_}\n"


def generated() -> str:
    """Return the part of the stub that is not written by hand."""
    members: dict[str, SocketOption] = dict(SocketOption.__members__)
    return "".join(
        (
            *attributes("_ContextOptions", dict.fromkeys(ContextOption.__members__, "int")),
            *attributes("_SocketOptions", {name: type_of(option) for name, option in members.items()}),
        )
    )


def main() -> None:
    by_hand = STUB.read_text().partition(MARK)[0]
    STUB.write_text(by_hand + MARK + generated())


if __name__ == "__main__":
    main()
