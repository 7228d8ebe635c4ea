"""Write what is tedious to write in the stubs by hand: the constants, and options as attributes in both cases.

Run it when a constant was added: ``python tools/stubs.py``. Everything else in the stubs is written by hand, and
``make lint`` compares all of it with the modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

from zmq.core import constants
from zmq.core.constants import ContextOption, SocketOption, _OptType

CORE = Path(__file__).resolve().parents[1] / "zmq" / "core"
CONSTANTS = CORE / "constants.pyi"
STUB = CORE / "sockets" / "option_attributes.pyi"
MARK = "# What follows is written by tools/stubs.py.\n"
# Methods of `Socket`, and a property, have these names.
METHODS = ("subscribe", "unsubscribe", "type")


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


def constants_stub() -> str:
    """Return the stub of the constants: the enums as they are written, and what is derived from them."""
    source = (CORE / "constants.py").read_text()
    enums = source[source.index("import enum") : source.index("#: All of the above")]
    # The stub has not what it is made from.
    derived = vars(constants)
    members = (f"{cls.__name__}.{name}" for cls in derived["_ENUMS"] for name in cls.__members__)
    lines = [f"{name} = {member}\n" for name, member in zip(derived["_attributes"](), members, strict=True)]
    names = fill(
        ", ".join(f'"{name}"' for name in constants.__all__), 119, initial_indent="    ", subsequent_indent="    "
    )
    return f"# Written by tools/stubs.py.\n# fmt: off\n{enums.rstrip()}\n\n{''.join(lines)}\n__all__ = [\n{names},\n]\n"


def main() -> None:
    CONSTANTS.write_text(constants_stub())
    by_hand = STUB.read_text().partition(MARK)[0]
    STUB.write_text(by_hand + MARK + generated())


if __name__ == "__main__":
    main()
