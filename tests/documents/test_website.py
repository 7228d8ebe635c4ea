"""`tools/website.py`: what becomes of a page on its way to the site, and what is wrong with a site that is.

The site itself is built by ``make docs``, which ``make lint`` calls.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from support import ROOT, tool


@pytest.fixture(scope="module")
def website() -> Iterator[ModuleType]:
    with tool("website") as module:
        yield module


@pytest.fixture
def page(website: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Return what a page in docs/guide becomes, and what is wrong with it."""
    root = tmp_path
    for folder in ("docs/guide", "docs/pictures", "tests"):
        (root / folder).mkdir(parents=True)
    for file in ("docs/other.md", "docs/pictures/a.svg", "tests/README.md", "Makefile"):
        (root / file).write_text("")
    monkeypatch.setattr(website, "ROOT", root)
    monkeypatch.setattr(website, "DOCS", root / "docs")

    def written(text: str) -> tuple[str, list[str]]:
        path = root / "docs" / "guide" / "page.md"
        path.write_text(text)
        pages = {
            path: "guide/page.md",
            root / "docs" / "other.md": "other.md",
            root / "tests" / "README.md": "inside/tests.md",
        }
        found = website.Page(path, pages, {"zmq.Socket", "zmq.Socket.send", "zmq.constants.REQ"})
        return found.text(), found.problems

    return written


@pytest.mark.parametrize(
    "text, becomes",
    [
        ("[it](../other.md)", "[it](../other.md)"),
        ("[it](../other.md#there)", "[it](../other.md#there)"),
        ("[it](../../tests/README.md)", "[it](../inside/tests.md)"),
        ("[Makefile](../../Makefile)", "`Makefile`"),
        ("[what make does](../../Makefile)", "what make does"),
        ("![a](../pictures/a.svg)", "![a](../pictures/a.svg)"),
        ("[web](https://zeromq.org)", "[web](https://zeromq.org)"),
        ("[here](#below)", "[here](#below)"),
        ("[names](../api/index.rst)", "[names](../api/index.rst)"),
        ("`zmq.Socket.send`", "{py:obj}`zmq.Socket.send <zmq.Socket.send>`"),
        ("`Socket.send`", "{py:obj}`Socket.send <zmq.Socket.send>`"),
        ("`zmq.REQ`", "{py:obj}`zmq.REQ <zmq.constants.REQ>`"),
        ("`zmq.green.Socket.send`", "`zmq.green.Socket.send`"),
        ("`Socket.no_such`", "`Socket.no_such`"),
        ("```python\n[it](nowhere)\n`zmq.nothing`\n```", "```python\n[it](nowhere)\n`zmq.nothing`\n```"),
        ("a <!-- goes on --> b", "a  b"),
        ("<!-- prints -->\n```text\n1\n```", "```{code-block} text\n:class: prints\n\n1\n```"),
    ],
)
def test_what_becomes_of_a_page(page: object, text: str, becomes: str) -> None:
    assert page(text) == (becomes, [])  # type: ignore[operator]


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("[it](../no-such.md)", "docs/guide/page.md: leads nowhere: ../no-such.md"),
        ("![a](../pictures/b.svg)", "docs/guide/page.md: leads nowhere: ../pictures/b.svg"),
        ("`zmq.no_such`", "docs/guide/page.md: there is no zmq.no_such"),
        ("`zmq.green.no_such()`", "docs/guide/page.md: there is no zmq.green.no_such"),
    ],
)
def test_what_is_wrong_with_a_page(page: object, text: str, wrong: str) -> None:
    assert page(text)[1] == [wrong]  # type: ignore[operator]


@pytest.mark.parametrize(
    "html, wrong",
    [
        ('<a href="b.html">b</a> <a href="b.html#in-b">b</a> <a href="https://zeromq.org">web</a>', None),
        ('<a href="#here"></a><p id="here">', None),
        ('<img src="b.html"><link rel="stylesheet" href="s.css">', None),
        ('<a href="c.html">c</a>', "a.html: no such file: c.html"),
        ('<a href="b.html#nowhere">b</a>', "a.html: no such place: b.html#nowhere"),
        ('<a href="#nowhere">b</a>', "a.html: no such place: #nowhere"),
        ('<script src="https://cdn.example.org/x.js"></script>', "a.html loads https://cdn.example.org/x.js"),
        ('<link rel="stylesheet" href="//fonts.example.org/x.css">', "a.html loads //fonts.example.org/x.css"),
        ('<img src="c.png">', "a.html: no such file: c.png"),
    ],
)
def test_what_is_wrong_with_a_site(website: ModuleType, tmp_path: Path, html: str, wrong: str | None) -> None:
    (tmp_path / "a.html").write_text(html)
    (tmp_path / "b.html").write_text('<h1 id="in-b">b</h1>')
    (tmp_path / "s.css").write_text("p { background: url(b.html) }")
    assert list(website.look_at(tmp_path)) == ([wrong] if wrong else [])


def test_a_style_that_loads_from_elsewhere(website: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "s.css").write_text("@import url('https://fonts.example.org/x.css');")
    assert list(website.look_at(tmp_path)) == ["s.css loads https://fonts.example.org/x.css"]


def test_a_name_without_an_entry(website: ModuleType, tmp_path: Path) -> None:
    have = sorted(set(website.reference.documented()) - {"zmq.Socket.send"})
    lines = "".join(f"{name} py:method 1 api/zmq.html#$ -\n" for name in have)
    head = b"# Sphinx inventory version 2\n# Project: x\n# Version: 1\n# packed\n"
    (tmp_path / "objects.inv").write_bytes(head + zlib.compress(lines.encode()))
    assert list(website.without_entry(tmp_path)) == ["the reference has no entry for zmq.Socket.send"]


def test_the_sources_of_the_site_are_in_order(website: ModuleType, tmp_path: Path) -> None:
    """All links of all pages lead to a file that is there, and all names of zmq on them are there."""
    assert website.write_sources(tmp_path) == []
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md")}
    assert {"index.md", "changes.md", "inside/contributing.md", "patterns/clone.md"} <= written
    (tmp_path / "old.md").write_text("gone since")
    before = (tmp_path / "index.md").stat().st_mtime_ns
    website.write_sources(tmp_path)
    assert not (tmp_path / "old.md").exists() and (tmp_path / "index.md").stat().st_mtime_ns == before


def test_pages_are_in_the_table_of_contents(website: ModuleType) -> None:
    listed = "".join(path.read_text() for path in website.DOCS.rglob("*.md") if "{toctree}" in path.read_text())
    for name in website.files().values():
        stem = name.removesuffix(".md")
        short = stem.removeprefix("patterns/")
        assert stem == "index" or f"\n{stem}\n" in listed or f"<{stem}>\n" in listed or f"\n{short}\n" in listed, name


def test_the_pictures_are_what_is_drawn() -> None:
    with tool("drawings") as drawings:
        drawn = drawings.pictures()
    assert {name: (drawings.FOLDER / name).read_text() for name in drawn} == drawn
    assert {path.name for path in drawings.FOLDER.iterdir()} == set(drawn)
    for name in drawn:
        page = ROOT / "docs" / "patterns" / name.replace(".svg", ".md")
        assert f"(../pictures/patterns/{name})" in page.read_text()
