"""What the doctor says of a PyZMQ that a Linux distribution or conda has packaged: nothing is wrong, or to remove."""

from __future__ import annotations

import base64
import hashlib
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from greenzmq import _doctor

FILES = {"zmq/__init__.py": "", "zmq/sugar/version.py": "", "zmq/backend/_zmq.cpython.so": "whole"}


class Place:
    """A folder of packages, with PyZMQ."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info = folder / "pyzmq-24.0.1.dist-info"

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def install(self, installer: str = "", info: str = "dist-info", recorded: bool = True) -> None:
        self.info = self.folder / f"pyzmq-24.0.1.{info}"
        metadata = self.info / ("PKG-INFO" if info == "egg-info" else "METADATA")
        texts = {
            **FILES,
            f"{metadata.relative_to(self.folder)}": "Metadata-Version: 2.1\nName: pyzmq\nVersion: 24.0.1\n",
        }
        for name, text in texts.items():
            self.write(name, text)
        if installer:
            (self.info / "INSTALLER").write_text(f"{installer}\n")
        if recorded:
            digests = {
                name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
                for name, text in texts.items()
            }
            lines = [f"{name},sha256={digest},{len(texts[name])}\n" for name, digest in digests.items()]
            (self.info / "RECORD").write_text("".join(lines))

    def said(self) -> list[_doctor.Finding]:
        return list(_doctor.files([Distribution.at(self.info)]))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "prefix" / "lib" / "python3" / "site-packages")


@pytest.mark.parametrize("info", ["egg-info", "dist-info"])
def test_one_without_a_list_of_its_files_owns_the_folder(place: Place, info: str) -> None:
    place.install(info=info, recorded=False)
    ((level, text, mend),) = place.said()
    assert level == "note" and "PyZMQ 24.0.1" in text and "no list of its files" in text and not mend


@pytest.mark.parametrize("installer", ["", "debian", "rpm", "conda"])
def test_compiled_files_may_have_been_stripped(place: Place, installer: str) -> None:
    place.install(installer)
    assert place.said() == []
    place.write("zmq/backend/_zmq.cpython.so", "stripped")
    ((level, text, mend),) = place.said()
    assert level == "note" and "1 of PyZMQ's compiled files" in text and "stripped" in text and not mend


@pytest.mark.parametrize("installer", ["pip", "uv", "Poetry 2.1.0"])
def test_those_of_a_wheel_were_not(place: Place, installer: str) -> None:
    place.install(installer)
    assert place.said() == []
    place.write("zmq/backend/_zmq.cpython.so", "stripped")
    ((level, text, mend),) = place.said()
    assert level == "wrong" and "1 changed" in text and mend.startswith("pip install --force-reinstall")


def test_what_else_is_changed_is_wrong_and_who_installed_it_mends_it(place: Place) -> None:
    place.install("conda")
    place.write("zmq/backend/_zmq.cpython.so", "stripped")
    place.write("zmq/__init__.py", "import gone")
    note, (level, text, mend) = place.said()
    assert note[0] == "note" and level == "wrong" and "1 changed" in text
    assert mend == "install PyZMQ 24.0.1 again with conda"


def test_nobody_is_told_to_remove_what_a_package_manager_keeps(place: Place) -> None:
    place.install("pip")
    place.write("zmq/core/gone.py", "")
    ((level, text, mend),) = place.said()
    assert level == "wrong" and "belong to no installed package" in text and mend.startswith("rm -r ")
    place.folder.parents[2].joinpath("conda-meta").mkdir()
    ((level, text, mend),) = place.said()
    assert level == "note" and "belong to no installed package" in text and not mend
    (place.folder / "zmq" / "sugar" / "version.py").unlink()
    assert [mend for _, _, mend in place.said()] == ["install PyZMQ 24.0.1 again with pip", ""]


def test_a_pyzmq_that_is_elsewhere_is_not_to_be_installed_again(place: Place, tmp_path: Path) -> None:
    place.install("pip")
    place.write("zmq/core/gone.py", "")
    (mend,) = (mend for _, _, mend in place.said())
    assert mend == f"rm -r {place.folder}/zmq; then pip install --force-reinstall --no-deps pyzmq"
    # What is left there belongs to another package.
    place.write(f"{place.info.name}/METADATA", "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    elsewhere = Place(tmp_path / "elsewhere")
    elsewhere.install("pip")
    found = _doctor.files([Distribution.at(elsewhere.info), Distribution.at(place.info)])
    assert [mend for _, _, mend in found] == [f"rm -r {place.folder}/zmq"]


@pytest.mark.parametrize(
    ("place", "managed"),
    [
        ("/usr/lib/python3/dist-packages", True),
        ("/usr/lib64/python3.12/site-packages", True),
        ("/nix/store/abc-python3-3.12.8/lib/python3.12/site-packages", True),
        ("/usr/local/lib/python3.12/dist-packages", False),
        ("/home/user/.local/lib/python3.12/site-packages", False),
        ("/srv/usr/lib/python3/site-packages", False),
    ],
)
def test_what_a_package_manager_keeps(place: str, managed: bool) -> None:
    assert _doctor.is_managed(place) is managed
