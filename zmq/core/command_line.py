"""Run a program in the place of this one, as the interpreter's own command line does.

Lives here: what ``python -m zmq.green.monkey`` and ``python -m zmq.eventlet.monkey`` do with their arguments. What must
not: what they do before the program begins (`zmq.core.monkeypatch`).
"""

from __future__ import annotations

import atexit
import io
import os
import pkgutil
import runpy
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.machinery import SourceFileLoader, SourcelessFileLoader


def run(prepare: Callable[[], Callable[[], object]], arguments: Sequence[str], module: str) -> None:
    """Run a program in the place of this one, as the interpreter's own command line does, after `prepare`.

    Parameters
    ----------
    prepare : callable
        Called first; returns what is called when the program has ended.
    arguments : sequence of str
        A script, a folder or an archive, or ``-m`` and a module; then what the program gets.
    module : str
        Whose command line this is, for the help.

    Raises
    ------
    SystemExit
        There is no program.
    """
    rest = list(arguments)
    asked = rest[:1] in (["-h"], ["--help"])
    named = rest[:1] == ["-m"] and len(rest) > 1
    if not named and (not rest or rest[0].startswith("-")):
        print(f"usage: python -m {module} (SCRIPT | -m MODULE) [ARGUMENT...]", file=sys.stdout if asked else sys.stderr)
        sys.exit(0 if asked else 2)
    interrupted: list[None] = []
    # Before what the program registers, so that it is called after that.
    atexit.register(remind, interrupted)
    end = prepare()
    try:
        run_program(rest, named)
    except KeyboardInterrupt:
        interrupted.append(None)
        raise
    finally:
        end()


def remind(interrupted: list[None]) -> None:
    """Have the interpreter end by SIGINT if the program did.

    It forgets of that where modules are imported when it ends, which gevent does: what is compiled then succeeds.
    """
    if interrupted:
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")


def run_program(rest: list[str], named: bool) -> None:
    """Run a module, or what stands at a path, with arguments."""
    main = sys.modules["__main__"]
    for name in [name for name in vars(main) if name not in ("__name__", "__builtins__", "__doc__")]:
        delattr(main, name)
    main.__doc__ = None
    if named:
        sys.argv[:] = rest[1:]
        runpy._run_module_as_main(rest[1])  # type: ignore[attr-defined]
        return
    sys.argv[:] = rest
    path = os.path.abspath(rest[0])
    # Python 3.10 has only -I, of which safe_path is a part.
    safe_path = getattr(sys.flags, "safe_path", sys.flags.isolated)
    if not safe_path:
        # What the interpreter put there for -m.
        del sys.path[0]
    if pkgutil.get_importer(path) is not None:
        sys.path.insert(0, path)
        runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]
        return
    if not safe_path:
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    try:
        with io.open_code(path) as file:
            code = pkgutil.read_code(file)
            loader = SourcelessFileLoader if code else SourceFileLoader
            if code is None:
                file.seek(0)
                code = compile(file.read(), path, "exec", dont_inherit=True)
    except OSError as error:
        sys.exit(complain(f"can't open file {path!r}: [Errno {error.errno}] {error.strerror}"))
    vars(main).update(
        __file__=path, __package__=None, __spec__=None, __cached__=None, __loader__=loader("__main__", path)
    )
    exec(code, vars(main))


def complain(text: str) -> int:
    """Say what is wrong with the command, as the interpreter would; return the exit status."""
    print(f"{sys.executable}: {text}", file=sys.stderr)
    return 2
