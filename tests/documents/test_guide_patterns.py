"""The programs of the patterns, run as their readers run them: what each promises comes true, in this order."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from support import ROOT

FOLDER = ROOT / "examples" / "patterns"
LIMIT = 40  # seconds

#: What each prints, in this order. Between two lines there may be others: on a busy machine somebody asks once more, or
#: is given up and comes again.
PRINTED = {
    "load_balancing": ["50 tasks done by 3 workers"],
    "lazy_pirate": ["ONE", "no answer to two, try 1", "TWO", "THREE", "no answer to four, try 3", "the server is gone"],
    "paranoid_pirate": [
        "one, says anne",
        "the queue gives anne up",
        "two, says mary",
        "mary does not hear the queue",
        "three, says mary",
    ],
    "last_value": ["everything was published", *(f"station 04{n}: {n} degrees" for n in range(10))],
    "clone": ["100 changes, 20 keys; the same in 4 clones: True"],
    "majordomo": ["HELLO olleh", "2 workers are left", "AGAIN", "rekorb wen a"],
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_pattern_keeps_its_promise(name: str) -> None:
    command = [sys.executable, "-W", "error", "-X", "faulthandler", FOLDER / f"{name}.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    lines = iter(done.stdout.splitlines())
    for expected in PRINTED[name]:
        assert expected in lines, f"{expected!r} is not in its place:\n{done.stdout}"


def test_every_pattern_has_a_page_and_a_test() -> None:
    programs = {path.stem for path in FOLDER.glob("*.py")} - {"ports"}
    assert programs == set(PRINTED)
    for name in programs:
        text = (ROOT / "docs" / "patterns" / f"{name.replace('_', '-')}.md").read_text()
        assert f"examples/patterns/{name}.py" in text
        shown = re.search(r"\n\$ python \S+\n(.*?)\n```", text, re.S)
        assert shown and set(shown[1].split("\n")) - {"…", "anne freezes"} <= set(PRINTED[name]) | {
            f"no answer to four, try {n}" for n in (1, 2)
        }
