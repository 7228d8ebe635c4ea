"""The site of the documentation: its sources put together, built by Sphinx, and looked at.

Lives here: which files of the tree are pages, how links between files become links between pages, and what a built site
is held to: that every link and anchor in it is there, that it needs no server, and that every public name has an
entry. What is on the pages is in ``docs``, and in the docstrings (``tools/reference.py``). ``make docs`` runs this in
an environment that has Sphinx.

    python tools/website.py FOLDER            # build FOLDER/html from FOLDER/source, which is written first
    python tools/website.py FOLDER --sources  # write FOLDER/source alone
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import reference

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
#: Files outside of docs that are pages too.
ELSEWHERE = {
    "CONTRIBUTING.md": "inside/contributing.md",
    "CHANGELOG.md": "changes.md",
    "SECURITY.md": "weaknesses.md",
    "tests/README.md": "inside/tests.md",
    "perf/README.md": "inside/benchmark.md",
    "examples/README.md": "examples.md",
}
#: What is copied as it is.
COPIED = ("*.svg", "*.png", "*.css", "conf.py")

FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
#: For the tests, which run the programs of the pages.
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
#: What a program printed, as the tests know it, and as Sphinx does.
PRINTS, PRINTED = re.compile(r"<!-- prints -->\n```text\n"), "```{code-block} text\n:class: prints\n\n"
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
CODE = re.compile(r"(?<![`\w}])`([^`\n]+)`(?!`)")
NAME = re.compile(r"((?:zmq|greenzmq)(?:\.\w+)+|(?:Context|Socket|Frame|Poller|MessageTracker)\.\w+)((?:\([^()]*\))?)")


def files() -> dict[Path, str]:
    """Return the files that are pages, and what each is called on the site."""
    found = {path: str(path.relative_to(DOCS)) for path in sorted(DOCS.rglob("*.md"))}
    return {**found, **{ROOT / file: name for file, name in ELSEWHERE.items()}}


def outside_of_code(text: str, change: Callable[[str], str]) -> str:
    """Change a page but for its blocks of code."""
    parts, at = [], 0
    for fence in FENCE.finditer(text):
        parts += [change(text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, change(text[at:])])


def resolved(name: str) -> object:
    """Return what a name of zmq means; raises where there is no such thing."""
    first, *rest = name.split(".")
    found: object = importlib.import_module(first)
    path = first
    for part in rest:
        path += f".{part}"
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module(path)
            except ImportError:
                raise LookupError(name) from None
    return found


def entries() -> set[str]:
    return (
        set(reference.documented())
        | set(reference.pages())
        | set(filter(reference.is_old_path, reference.public_modules()))
    )


class Page:
    """One page on its way from its file to the site."""

    def __init__(self, path: Path, pages: dict[Path, str], known: set[str]) -> None:
        self.path, self.pages, self.known = path, pages, known
        self.name = pages[path]
        self.problems: list[str] = []

    def text(self) -> str:
        return outside_of_code(PRINTS.sub(PRINTED, self.path.read_text()), self.changed)

    def changed(self, text: str) -> str:
        return CODE.sub(self.code, LINK.sub(self.link, COMMENT.sub("", text)))

    def relative(self, name: str) -> str:
        return os.path.relpath(name, os.path.dirname(self.name) or ".")

    def link(self, match: re.Match[str]) -> str:
        picture, text, target = match.groups()
        if re.match(r"\w+:|#", target):
            return match[0]
        file, hash, anchor = target.partition("#")
        path = Path(os.path.normpath(self.path.parent / file))
        if path.parent == DOCS / "api" and path.name in reference.written():
            return match[0]
        if not path.exists() or not path.is_relative_to(ROOT):
            self.problems.append(f"{self.path.relative_to(ROOT)}: leads nowhere: {target}")
        elif path in self.pages:
            return f"{picture}[{text}]({self.relative(self.pages[path])}{hash}{anchor})"
        elif path.is_relative_to(DOCS):
            return f"{picture}[{text}]({self.relative(str(path.relative_to(DOCS)))})"
        # A file of the tree, which is not on the site.
        return text if "`" in text else f"`{text}`" if text == target.rpartition("/")[2] else text

    def code(self, match: re.Match[str]) -> str:
        found = NAME.fullmatch(match[1])
        if not found:
            return match[0]
        name = found[1] if found[1].startswith(("zmq.", "greenzmq.")) else f"zmq.{found[1]}"
        file = self.path.parent / name
        if file.suffix in (".py", ".pyx", ".md", ".pxd", ".start", ".pth", ".h"):
            return match[0]
        if (home := self.home(name)) is not None:
            return f"{{py:obj}}`{match[1]} <{home}>`"
        try:
            resolved(name)
        except LookupError:
            if name == found[1]:  # else a class of something else may be meant, or a field of C
                self.problems.append(f"{self.path.relative_to(ROOT)}: there is no {name}")
        return match[0]

    def home(self, name: str) -> str | None:
        """Return where a name is documented."""
        if name in self.known:
            return name
        owner, _, member = name.rpartition(".")
        homes = reference.homes()
        if name in homes:
            return homes[name]
        owner = homes.get(owner, owner)
        return f"{owner}.{member}" if f"{owner}.{member}" in self.known else None


def write_sources(folder: Path) -> list[str]:
    """Write what Sphinx reads; return what is wrong with it. What did not change is left as it is."""
    pages, known = files(), entries()
    texts: dict[str, bytes] = {}
    problems = []
    for path, name in pages.items():
        page = Page(path, pages, known)
        texts[name] = page.text().encode()
        problems += page.problems
    for name, text in reference.written().items():
        texts[f"api/{name}"] = text.encode()
    for pattern in COPIED:
        for path in DOCS.rglob(pattern):
            texts[str(path.relative_to(DOCS))] = path.read_bytes()
    for path in (ROOT / "examples").rglob("*.py"):
        texts[str(path.relative_to(ROOT))] = path.read_bytes()
    for path in [*folder.rglob("*")]:
        if path.is_file() and str(path.relative_to(folder)) not in texts:
            path.unlink()
    for name, data in texts.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return problems


class Look(HTMLParser):
    """What a page of the site has and asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        for name in ("src", "data", "poster"):
            if name in values and tag in ("script", "img", "iframe", "object", "embed", "video", "source"):
                self.loaded.append(values[name])
        if (
            tag == "link"
            and "href" in values
            and values.get("rel") not in ("index", "search", "next", "prev", "canonical")
        ):
            self.loaded.append(values["href"])


def look_at(folder: Path) -> Iterator[str]:
    """Yield what is wrong with a site: links that lead nowhere, and what a server would have to supply."""
    looks: dict[Path, Look] = {}
    for path in sorted(folder.rglob("*.html")):
        looks[path] = Look()
        looks[path].feed(path.read_text())
    for path, look in looks.items():
        where = path.relative_to(folder)
        for address in look.loaded:
            if re.match(r"(\w+:)?//", address):
                yield f"{where} loads {address}"
        for address in [*look.links, *look.loaded]:
            if re.match(r"\w+:|//", address):
                continue
            file, _, anchor = address.partition("#")
            target = Path(os.path.normpath(path.parent / file.partition("?")[0])) if file else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                yield f"{where}: no such file: {address}"
            elif anchor and target in looks and anchor not in looks[target].anchors:
                yield f"{where}: no such place: {address}"
    for path in [*folder.rglob("*.css"), *folder.rglob("*.js")]:
        for address in re.findall(
            r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", path.read_text(errors="replace")
        ):
            if "www.w3.org" not in address:
                yield f"{path.relative_to(folder)} loads {address}"


def inventory(folder: Path) -> set[str]:
    """Return the names that the site has entries for, as other sites find them."""
    data = (folder / "objects.inv").read_bytes()
    *_, packed = data.split(b"\n", 4)
    lines = zlib.decompress(packed).decode().splitlines()
    return {line.split(" ")[0] for line in lines if " py:" in line}


def without_entry(folder: Path) -> Iterator[str]:
    have = inventory(folder)
    for name in sorted(set(reference.documented()) - have):
        yield f"the reference has no entry for {name}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the site is built")
    parser.add_argument("--sources", action="store_true", help="write what Sphinx reads, and no more")
    options = parser.parse_args()
    source, html = options.folder / "source", options.folder / "html"
    problems = write_sources(source)
    if not problems and not options.sources:
        command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
        if subprocess.run([*command, "-d", options.folder / "doctrees", source, html]).returncode:
            return 1
        shutil.rmtree(html / ".doctrees", ignore_errors=True)
        problems = [*look_at(html), *without_entry(html)]
        if not problems:
            print(f"{html / 'index.html'}")
    print(*problems, sep="\n", file=sys.stderr, end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
