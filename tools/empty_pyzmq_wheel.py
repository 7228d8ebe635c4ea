"""Build a wheel that is called pyzmq and has no code: it requires greenzmq, and satisfies what requires pyzmq.

``make pyzmq-shim`` calls it: empty_pyzmq_wheel.py FOLDER. Its version is that of the API, with `greenzmq` as local
part, which makes it newer than PyZMQ's release of that number. docs/installation.md says how environments keep it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "zmq" / "core" / "version.pyx"
METADATA = """\
Metadata-Version: 2.1
Name: pyzmq
Version: {version}
Summary: Stands in for PyZMQ where greenzmq is installed. Has no code.
License: BSD-3-Clause
Requires-Python: >=3.10
Requires-Dist: greenzmq
"""
WHEEL = """\
Wheel-Version: 1.0
Generator: greenzmq
Root-Is-Purelib: true
Tag: py3-none-any
"""


def level() -> str:
    """Return the version of PyZMQ whose API this tree implements."""
    found = re.search(r'^PYZMQ_API = "(.*)"$', SOURCE.read_text(), re.M)
    assert found
    return found[1]


def build(folder: Path) -> Path:
    """Write the wheel into a folder, and return its path. It is the same every time."""
    version = f"{level()}+greenzmq"
    info = f"pyzmq-{version}.dist-info"
    files = {f"{info}/METADATA": METADATA.format(version=version), f"{info}/WHEEL": WHEEL, f"{info}/top_level.txt": ""}
    lines = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(text)}")
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"pyzmq-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, text)
    return wheel


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
