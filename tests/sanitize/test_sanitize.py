"""What ``make sanitize`` needs to be right: how reports are read and counted, what is left out, and its programs.

Nothing is compiled here, and no sanitizer runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

SANITIZE = Path(__file__).resolve().parent
sys.path.insert(0, str(SANITIZE))

import sanitize  # noqa: E402

#: What the runtimes write, shortened: what is written, by which, and what is to be found in it.
WRITTEN = {
    "use after free": (
        "address",
        """
=================================================================
==31==ERROR: AddressSanitizer: heap-use-after-free on address 0x60200001 at pc 0x7f02 bp 0x7ffd sp 0x7ffd
READ of size 8 at 0x60200001 thread T0
    #0 0x7f02 in __interceptor_memcpy ../../../../src/libsanitizer/sanitizer_common/interceptors.inc:827
    #1 0x7f03 in __pyx_f_3zmq_send zmq/core/sockets/sending_several.c:1234
    #2 0x7f04 in cfunction_call Objects/methodobject.c:542
""",
        [("address", "heap-use-after-free on address", "__pyx_f_3zmq_send zmq/core/sockets/sending_several.c:1234")],
    ),
    "a warning": (
        "address",
        "==31==WARNING: AddressSanitizer failed to allocate 0x7fffffffffffffff bytes\n",
        [],
    ),
    "leaks": (
        "address",
        """
==31==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 64 byte(s) in 1 object(s) allocated from:
    #0 0x7f01 in __interceptor_malloc ../../../../src/libsanitizer/asan/asan_malloc_linux.cpp:69
    #1 0x7f03 in __pyx_f_3zmq_lend zmq/core/messages/lent_memory.c:99

Direct leak of 24 byte(s) in 1 object(s) allocated from:
    #0 0x7f01 in __interceptor_malloc ../../../../src/libsanitizer/asan/asan_malloc_linux.cpp:69
    #1 0x7f05 in PyFloat_FromDouble Objects/floatobject.c:149
    #2 0x7f03 in __pyx_f_3zmq_begin_parked zmq/core/waiting/who_waits.c:2769

Indirect leak of 8 byte(s) in 1 object(s) allocated from:
    #0 0x7f01 in __interceptor_malloc ../../../../src/libsanitizer/asan/asan_malloc_linux.cpp:69
    #1 0x7f05 in zmq::ctx_t::create_socket(int) (/usr/lib/libzmq.so.5+0x1234)

SUMMARY: AddressSanitizer: 96 byte(s) leaked in 3 allocation(s).
""",
        [
            ("leaks", "Direct leak", "__pyx_f_3zmq_lend zmq/core/messages/lent_memory.c:99"),
            ("leaks", "Indirect leak", "zmq::ctx_t::create_socket(int) (/usr/lib/libzmq.so.5+)"),
        ],
    ),
    "undefined": (
        "undefined",
        """zmq/core/poll.c:77:12: runtime error: division by zero
    #0 0x7f03 in __pyx_f_3zmq_poll zmq/core/poll.c:77
""",
        [
            (
                "undefined",
                "division by zero",
                "__pyx_f_3zmq_poll zmq/core/poll.c:77",
            )
        ],
    ),
    "a race": (
        "threads",
        """
==================
WARNING: ThreadSanitizer: data race (pid=31)
  Write of size 8 at 0x7b04 by thread T1:
    #0 greenzmq_give_back zmq/core/messages/lent_memory.h:60 (lent.so+0x1)

  Previous read of size 8 at 0x7b04 by main thread:
    #0 greenzmq_is_lent zmq/core/messages/lent_memory.h:170 (lent.so+0x2)
==================
""",
        [("threads", "data race", "greenzmq_give_back zmq/core/messages/lent_memory.h:60 (lent.so+)")],
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_sanitizer_writes(tmp_path: Path, name: str) -> None:
    """Each report is found, and counted once, whichever processes wrote it."""
    runtime, text, wanted = WRITTEN[name]
    for process in (31, 32):
        (tmp_path / f"{runtime}.{process}").write_text(text)
    found = sanitize.read_reports(tmp_path)
    assert [report[:3] for report in found] == wanted
    assert all(report.text in text for report in found)


@pytest.mark.parametrize("failed, reports, status", [([], [], 0), (["why"], [], 1), ([], [("", "", "", "")], 1)])
def test_what_fails_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failed, reports, status) -> None:
    row = sanitize.Row("threads", 2, failed, [sanitize.Report(*report) for report in reports], 1.0)
    monkeypatch.setattr(sanitize, "build", lambda *arguments: tmp_path)
    monkeypatch.setattr(sanitize, "run_suite", lambda *arguments: row)
    monkeypatch.setattr(sys, "argv", ["sanitize.py", "address", "--front-end", "threads", "--build", str(tmp_path)])
    assert sanitize.main() == status


def test_a_report_tells_which_tests_ran_then(tmp_path: Path) -> None:
    """Each once, as always: the first of those that report the same."""
    times = sanitize.Times(tmp_path)
    text = WRITTEN["use after free"][1]
    times.note({"one": ("running", "")})
    (tmp_path / "address.1").write_text(text)
    times.note({"one": ("passed", ""), "two": ("running", "")})
    times.note({"one": ("passed", ""), "two": ("passed", ""), "three": ("passed", "")})
    (tmp_path / "address.2").write_text(text)
    (tmp_path / "address.3").write_text("==3==ERROR: AddressSanitizer: SEGV on unknown address 0x28\n")
    [report, other] = sanitize.read_reports(tmp_path, times.tests)
    assert report.text.startswith("while one, two ran\n")
    assert other.text.startswith("after the last test\n") and "SEGV" in other.what


@pytest.mark.parametrize("where", ["sanitize", "coverage_of_lines"])
def test_every_test_that_is_left_out_is_there_and_has_a_reason(where: str) -> None:
    """Of the sanitizers, and of the coverage."""
    for name, reason in sanitize.left_out(ROOT / "tests" / where / "left_out.json").items():
        path, _, test = name.partition("::")
        assert not test or re.search(rf"^def {re.escape(test.partition('[')[0])}\b", (ROOT / path).read_text(), re.M), (
            name
        )
        assert (ROOT / path).exists() and reason, name


def test_every_suppression_has_a_reason() -> None:
    blocks = (SANITIZE / "races.supp").read_text().strip().split("\n\n")
    for block in blocks[1:]:
        first, *rest = block.splitlines()
        assert first.startswith("# ") and rest, block
        assert all(re.fullmatch(r"#.*|[a-z_]+:\S+", line) for line in rest), block


@pytest.mark.parametrize("program", sanitize.programs(), ids=lambda program: program.stem)
def test_the_programs_for_threads(program: Path) -> None:
    """In few rounds, and without a sanitizer."""
    command = [sys.executable, *sanitize.WARNINGS, program, "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the end\n", "")
