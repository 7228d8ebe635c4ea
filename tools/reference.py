"""The API reference: which public modules and names there are, and the pages that document them.

Lives here: what decides which name is documented where, and the text of the pages, with directives of autodoc; the
prose is in the docstrings. ``tools/website.py`` writes the pages when the site is built, and
``tests/documents/test_reference.py`` compares the names with what programs expect. Needs no Sphinx.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator
from functools import cache
from textwrap import indent
from types import GenericAlias, ModuleType
from typing import Any

#: The modules that have a page, in the order in which they may claim a name, by the headings of the table of contents.
GROUPS = {
    "Sockets": ["zmq", "zmq.constants", "zmq.error", "zmq.decorators"],
    "gevent": [
        "zmq.green",
        "zmq.green.core",
        "zmq.green.poll",
        "zmq.green.device",
        "zmq.green.monkey",
        "zmq.green.decorators",
    ],
    "eventlet": [
        "zmq.eventlet",
        "zmq.eventlet.core",
        "zmq.eventlet.poll",
        "zmq.eventlet.device",
        "zmq.eventlet.monkey",
        "zmq.eventlet.replace",
        "zmq.eventlet.decorators",
    ],
    "Event loops": [
        "zmq.asyncio",
        "zmq.eventloop",
        "zmq.eventloop.future",
        "zmq.eventloop.zmqstream",
        "zmq.eventloop.ioloop",
        "zmq.green.eventloop",
        "zmq.green.eventloop.ioloop",
        "zmq.green.eventloop.zmqstream",
        "zmq.eventlet.eventloop",
        "zmq.eventlet.eventloop.ioloop",
        "zmq.eventlet.eventloop.zmqstream",
    ],
    "Devices": [
        "zmq.devices",
        "zmq.green.devices",
        "zmq.eventlet.devices",
    ],
    "Who may connect": [
        "zmq.auth",
        "zmq.auth.base",
        "zmq.auth.thread",
        "zmq.auth.asyncio",
        "zmq.auth.ioloop",
        "zmq.auth.certs",
        "zmq.auth.servers",
        "zmq.green.auth",
        "zmq.eventlet.auth",
        "zmq.curve_keygen",
    ],
    "Logs": [
        "zmq.log",
        "zmq.log.handlers",
        "zmq.green.log",
        "zmq.green.log.handlers",
        "zmq.eventlet.log",
        "zmq.eventlet.log.handlers",
    ],
    "Metrics": ["zmq.metrics"],
    "Tunnels": [
        "zmq.ssh",
        "zmq.ssh.tunnel",
        "zmq.ssh.forward",
        "zmq.green.ssh",
        "zmq.green.ssh.tunnel",
        "zmq.eventlet.ssh",
        "zmq.eventlet.ssh.tunnel",
    ],
    "Looking inside": ["zmq.inspect"],
    "Helpers": [
        "zmq.utils",
        "zmq.utils.monitor",
        "zmq.utils.jsonapi",
        "zmq.utils.z85",
        "zmq.utils.interop",
        "zmq.utils.strtypes",
        "zmq.utils.garbage",
        "zmq.utils.win32",
    ],
    "The installation": ["greenzmq"],
}
#: Paths of PyZMQ, past and present, whose names are those of other modules: one page has them all.
OLD_PATHS = (
    "zmq.backend",
    "zmq.sugar",
    "zmq.devices.basedevice",
    "zmq.devices.monitoredqueue",
    "zmq.devices.monitoredqueuedevice",
    "zmq.devices.proxydevice",
    "zmq.devices.proxysteerabledevice",
)
#: What is no API: how the package is made, what only frameworks are told, and the demonstration.
INSIDE = (
    "zmq.core",
    "zmq.demo",
    "zmq.green.demo",
    "zmq.green.hub",
    "zmq.green.tasks",
    "zmq.eventlet.hub",
    "zmq.eventlet.tasks",
    "zmq.eventloop.hubloop",
    "zmq.eventloop.running",
    "zmq.eventloop.selector",
    "zmq.top",
)
#: What has no docstring of its own to be read.
DATA = {
    "zmq.COPY_THRESHOLD": "Bytes from which on sending with ``copy=False`` lends memory, where a socket has no"
    " `copy_threshold` of its own. May be set.",
    "zmq.DRAFT_API": "Whether this package was built with libzmq's draft API.",
    "zmq.PYZMQ_DRAFT_API": "The same under PyZMQ's name.",
    "zmq.IPC_PATH_MAX_LEN": "Bytes that the path of an ``ipc://`` endpoint may have; 0 where that is not known.",
    "zmq.SyncSocket": "For annotations: a socket whose calls block, as opposed to those of `zmq.asyncio`.",
    "zmq.SyncContext": "For annotations: a context of such sockets.",
    "zmq.Context.sockopts": "The defaults of options for new sockets: a dict, from numbers to values.",
    "zmq.Frame.more": "Whether more frames of the same message follow.",
    "zmq.Frame.tracker": "The `MessageTracker` of a frame that was made with ``track=True``, else None.",
    "zmq.Frame.tracker_event": "What PyZMQ has in this place; `tracker` tells when libzmq is done with the memory.",
    "zmq.MessageTracker.events": "What it watches that can be waited for: a set.",
    "zmq.MessageTracker.peers": "The trackers that it watches: a set.",
    "zmq.Socket.context": "The context that the socket was made in.",
    "zmq.Socket.socket_type": "The `zmq.SocketType` of the socket.",
    "zmq.asyncio.Socket.io_loop": "The event loop that the socket was given; None where it uses the one that runs.",
}
#: What is public and not in its module's ``__all__``.
MORE = {"zmq.asyncio": ["ProactorSelectorThreadWarning"]}
#: In which part of its page a name of `zmq` is.
PARTS = {
    "Contexts and sockets": ["Context", "Socket", "SyncContext", "SyncSocket"],
    "Messages": ["Frame", "Message", "MessageTracker", "COPY_THRESHOLD"],
    "Polling": ["Poller", "select", "zmq_poll"],
    "Relaying": ["proxy", "proxy_steerable", "monitored_queue", "device"],
    "Waiting": [
        "statistics",
        "dump",
        "install_dump",
        "uninstall_dump",
        "set_slow_wait",
        "set_slow_hub",
        "set_budget",
        "get_budget",
    ],
    "Errors": [],
    "Keys": ["curve_keypair", "curve_public"],
    "Versions, and what this build can do": [],
}


@cache
def load(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def public_modules() -> Iterator[str]:
    """Yield the modules that anybody may import."""
    import zmq

    yield "zmq"
    yield "greenzmq"
    for module in pkgutil.walk_packages(zmq.__path__, "zmq."):
        inside = any(module.name == name or module.name.startswith(f"{name}.") for name in INSIDE)
        if not inside and not any(part.startswith("_") for part in module.name.split(".")):
            yield module.name


def is_old_path(module: str) -> bool:
    return module.startswith(OLD_PATHS)


def pages() -> list[str]:
    """Return the modules that have a page."""
    return [module for group in GROUPS.values() for module in group]


@cache
def names(module: str) -> list[str]:
    """Return the public names of a module, those of other modules that it shows too included."""
    found = load(module)
    if hasattr(found, "__all__"):
        listed = [
            name for name in found.__all__ if not name.startswith("_") and not inspect.ismodule(getattr(found, name))
        ] + MORE.get(module, [])
    else:
        listed = [
            name
            for name, value in vars(found).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module
        ]
        if is_old_path(module):  # the rest is the business of `zmq.devices`
            listed = [name for name in listed if name in names("zmq.devices")]
    return sorted(dict.fromkeys(listed), key=lambda name: (not name[0].isupper(), name.lower()))


@cache
def homes() -> dict[str, str]:
    """Return where each ``module.name`` is documented: the first module that shows the same thing."""
    constants, modules = set(names("zmq.constants")), set(public_modules())
    claimed: dict[int, str] = {}
    data: dict[tuple[str, str], str] = {}
    values: dict[str, str] = {}
    for module in [*pages(), *sorted(filter(is_old_path, public_modules()))]:
        for name in names(module):
            thing = getattr(load(module), name)
            full = f"{module}.{name}"
            if name in constants and (thing is getattr(load("zmq.constants"), name) or isinstance(thing, int)):
                values[full] = f"zmq.constants.{name}"
            elif is_data(thing):
                values[full] = data.setdefault((name, repr(thing)), full)
            else:
                # A function that is called as a module is, `device` of `zmq.green`, is documented in that module.
                home = f"{full}.{name}" if full in modules else full
                values[full] = claimed.setdefault(id(thing), home)
    return values


def is_data(thing: object) -> bool:
    return isinstance(thing, GenericAlias) or not hasattr(thing, "__name__")


def is_ours(thing: object) -> bool:
    return str(getattr(thing, "__module__", "")).partition(".")[0] in ("zmq", "greenzmq")


def is_option(name: str) -> bool:
    constants = load("zmq.constants")
    options = {**constants.SocketOption.__members__, **constants.ContextOption.__members__}
    return name.upper() in options or name.upper() in ("HWM", "SWAP")


def bases(thing: type) -> list[str]:
    """Return the classes of ours that have a page and that this one is derived from, the nearest alone."""
    for base in thing.__mro__[1:]:
        if documented := home_of(base):
            return [documented]
    return []


@cache
def by_identity() -> dict[int, str]:
    return {id(getattr(load(home.rpartition(".")[0]), home.rpartition(".")[2])): home for home in set(homes().values())}


def home_of(thing: object) -> str | None:
    return by_identity().get(id(thing))


def members(thing: type) -> dict[str, str]:
    """Return what a class has and its documented bases have not: each name, and autodoc's word for what it is."""
    found: dict[str, str] = {}
    for cls in thing.__mro__:
        if (cls is not thing and home_of(cls)) or not is_ours(cls):
            continue
        for name, value in vars(cls).items():
            if name.startswith("_") or name in found or says_base(thing, name):
                continue
            if hasattr(thing, "getsockopt") and is_option(name):
                continue  # they are in the table of the options
            if name != name.lower() and name.lower() in dir(thing):
                continue  # one more spelling of a property
            if callable(getattr(thing, name)) and not inspect.isclass(getattr(thing, name)):
                found[name] = "method"
            else:
                found[name] = "property" if isinstance(value, property) else "attribute"
    return dict(sorted(found.items(), key=lambda each: (each[1] == "method", each[0])))


def says_base(thing: type, name: str) -> bool:
    """Tell whether a documented base has the very same, or one that says what this does."""
    found: Any = getattr(thing, name, 0)
    for base in thing.__mro__[1:]:
        if home_of(base) and hasattr(base, name):
            return found is getattr(base, name) or not vars(thing).get(name, found).__doc__
    return False


def documented() -> Iterator[str]:
    """Yield the full name of everything that the reference has an entry for, members included."""
    for home in sorted(set(homes().values())):
        module, _, name = home.rpartition(".")
        if is_old_path(module):
            yield home
            continue
        thing = getattr(load(module), name)
        yield home
        if inspect.isclass(thing):
            if issubclass(thing, enum.Enum):
                yield from (f"{home}.{member}" for member in thing.__members__)
            elif is_ours(thing):
                yield from (f"{home}.{member}" for member in members(thing))


# The pages.


def heading(text: str, mark: str) -> list[str]:
    return [text, mark * len(text), ""]


def entry(full: str) -> list[str]:
    """Return the lines for one name."""
    module, _, name = full.rpartition(".")
    thing: Any = getattr(load(module), name)
    if is_data(thing):
        lines = [f".. py:data:: {name}", ""]
        text = DATA.get(full)
        return [*lines, f"   {text}", ""] if text else lines
    if not is_ours(thing):
        return [f".. py:class:: {name}", "", f"   ``{thing.__module__}.{thing.__qualname__}``, as it is.", ""]
    if not inspect.isclass(thing):
        return [f".. autofunction:: {name}", ""]
    if issubclass(thing, enum.Enum):
        says = indent(inspect.getdoc(thing) or "", "   ")
        return [f".. py:class:: {name}", "", says, "", f"   .. constants:: {full}", ""]
    lines = [f".. autoclass:: {name}", ""]
    if derived := bases(thing):
        lines += [f"   Derived from :py:obj:`{derived[0]}`.", ""]
    elif issubclass(thing, BaseException):
        lines += [f"   Derived from ``{thing.__mro__[1].__name__}``.", ""]
    for member, kind in members(thing).items():
        text = DATA.get(f"{full}.{member}")
        lines += (
            [f"   .. py:attribute:: {name}.{member}", "", f"      {text}"]
            if text
            else [f"   .. auto{kind}:: {name}.{member}"]
        )
        lines.append("")
    return lines


def part_of(full: str) -> str:
    module, _, name = full.rpartition(".")
    for part, listed in PARTS.items():
        if name in listed:
            return part
    thing = getattr(load(module), name)
    if inspect.isclass(thing) and issubclass(thing, BaseException | Warning):
        return "Errors"
    return "Versions, and what this build can do"


def page(module: str) -> str:
    """Return the page of a module, in reStructuredText."""
    lines = [*heading(f"``{module}``", "="), f".. automodule:: {module}", ""]
    here = [f"{module}.{name}" for name in names(module) if homes()[f"{module}.{name}"] == f"{module}.{name}"]
    if module == "zmq":
        for part, listed in PARTS.items():
            lines += heading(part, "-")
            inside = [full for full in here if part_of(full) == part]
            inside.sort(key=lambda full: listed.index(full[4:]) if full[4:] in listed else 99)
            for full in inside:
                lines += entry(full)
        alike = [
            name for name in names(module) if homes()[f"zmq.{name}"] not in (f"zmq.{name}", f"zmq.constants.{name}")
        ]
        lines += heading("Other names", "-")
        lines += [f"``{name}`` is :py:obj:`{homes()[f'zmq.{name}']}`.\n" for name in alike]
        lines += ["All names of :py:mod:`zmq.constants` are names of ``zmq`` too.", ""]
        return "\n".join(lines)
    for full in here:
        thing = getattr(load(module), full.rpartition(".")[2])
        if module == "zmq.constants" and not inspect.isclass(thing):
            continue  # in the table of its enum
        lines += entry(full)
    constants = set(names("zmq.constants"))
    others = [name for name in names(module) if homes()[f"{module}.{name}"] != f"{module}.{name}"]
    shown = [name for name in others if module == "zmq.constants" or name not in constants]
    if shown and module != "zmq.constants":
        lines += heading("From elsewhere" if here else "Names", "-")
        more = ", and the constants of :py:mod:`zmq.constants`" if len(others) > len(shown) + 100 else ""
        refs = ", ".join(f":py:obj:`{name} <{homes()[f'{module}.{name}']}>`" for name in shown)
        lines += [f"{refs}{more}.", ""]
    return "\n".join(lines)


def old_paths() -> str:
    lines = [
        *heading("Old import paths", "="),
        "Modules of PyZMQ, past and present, that programs import names from. They have nothing of their own but what",
        "is listed first; import the names from ``zmq``.",
        "",
    ]
    for module in sorted(filter(is_old_path, public_modules())):
        lines += [*heading(f"``{module}``", "-"), f".. py:module:: {module}", ""]
        own = [name for name in names(module) if homes()[f"{module}.{name}"] == f"{module}.{name}"]
        for name in own:
            lines += entry(f"{module}.{name}")
        rest = [name for name in names(module) if name not in own and name not in names("zmq.constants")]
        refs = [f":py:obj:`{name} <{homes()[f'{module}.{name}']}>`" for name in rest]
        if len(names(module)) > len(own) + len(rest):
            refs.append("the constants of :py:mod:`zmq.constants`")
        lines += [f"{', '.join(refs)}.", ""] if refs else []
    return "\n".join(lines)


def index() -> str:
    lines = [
        *heading("API", "="),
        "Every public module and name. `zmq.green` and `zmq.eventlet` have every name of `zmq`, in classes that wait",
        "in the hub; what is not described anew there does what it does in `zmq`.",
        "",
    ]
    for title, modules in GROUPS.items():
        lines += [
            ".. list-table::",
            "   :widths: 40 60",
            "   :class: modules",
            "   :header-rows: 1",
            "",
            f"   * - {title}",
            "     -",
        ]
        for module in modules:
            says = (inspect.getdoc(load(module)) or "").partition("\n")[0]
            lines += [f"   * - :py:mod:`{module}`", f"     - {says}"]
        rows = [f"   {module}" for module in modules]
        lines += ["", ".. toctree::", "   :hidden:", "", *rows, ""]
    return "\n".join([*lines, ":doc:`old-paths`", "", ".. toctree::", "   :hidden:", "", "   old-paths", ""])


@cache
def written() -> dict[str, str]:
    """Return the pages: each file's name in the folder of the reference, and its text."""
    texts = {f"{module}.rst": page(module) for module in pages()}
    return {"index.rst": index(), "old-paths.rst": old_paths(), **texts}
