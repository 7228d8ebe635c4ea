"""Whether the house is in order: its layers, what imports against them, files that are too long, crowded folders.

The layers are a table in docs/design.md ("Layers"), the only place that has them. ``make lint`` runs this, which fails
where something is not in order.

    python tools/house.py               # show lines by folder, the layers, and what is not in order
    python tools/house.py imports ROOM  # which imports, of which files, make a room depend on others
    python tools/house.py picture       # draw docs/pictures/architecture.svg again
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DESIGN = "docs/design.md"
PICTURE = "docs/pictures/architecture.svg"
#: Where source files are, and which files are such.
FOLDERS = ("zmq", "greenzmq", "tests", "tools", "perf", "examples", "docs", ".")
SUFFIXES = (".py", ".pyi", ".pyx", ".pxd", ".pxi", ".c", ".h", ".sh", ".pml")
#: Stubs say what others import, and import nothing themselves.
IMPORTING = (".py", ".pyx", ".pxd", ".pxi", ".h")
#: Longer ones say why at their top, in a sentence with the words "one file".
LONG = 800
#: More files are more than a screen. A README.md or the package's docstring then names every one of them.
CROWDED = 25

#: What is not in order and known. Whatever is here and no more the case fails, too.
AGAINST: set[tuple[str, str]] = set()
TOO_LONG: set[str] = set()
TOO_CROWDED: set[str] = set()


@dataclass
class Room:
    """Files that belong together: one line of the table."""

    level: int
    name: str
    #: Files without their suffix, headers with it, and folders with a slash at their end; all below zmq/.
    places: list[str]
    purpose: str
    files: list[Path] = field(default_factory=list)


@dataclass(frozen=True, order=True)
class Import:
    """One that a file makes: of which module, in which line."""

    file: Path
    line: int
    #: A path without its suffix; a header has its own.
    what: str


# What is there.


def sources(root: Path) -> list[Path]:
    """Return the source files, relative to the top of the tree, without what is generated."""
    found = []
    for folder in FOLDERS:
        paths = (root / folder).glob("*") if folder == "." else (root / folder).rglob("*")
        for path in paths:
            relative = path.relative_to(root)
            if path.suffix not in SUFFIXES or not path.is_file() or path.is_symlink():
                continue
            if any(part.startswith(".") or part in ("__pycache__", "build") for part in relative.parts):
                continue
            if path.suffix == ".c" and folder == "zmq":  # made by Cython
                continue
            found.append(relative)
    return sorted(found)


def rooms_of(design: str) -> list[Room]:
    """Read the table of the layers."""
    _, heading, rest = design.partition("\n## Layers\n")
    if not heading:
        raise SystemExit(f'{DESIGN} has no "## Layers"')
    found = []
    for line in rest.partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0].isdigit():
            found.append(Room(int(cells[0]), cells[1], re.findall(r"`([^`]+)`", cells[2]), cells[3]))
    return found


def module_of(path: Path) -> str:
    """Return what an import leads to, as `Import.what` has it."""
    return str(path) if path.suffix == ".h" else str(path.with_suffix(""))


def settle(rooms: list[Room], files: Iterable[Path]) -> Iterator[str]:
    """Give each file of zmq/ to the room whose place says most about it; tell what is wrong with the places."""
    places = {place: room for room in rooms for place in room.places}
    used = set()
    for path in files:
        if path.parts[0] != "zmq":
            continue
        name = module_of(path).removeprefix("zmq/")
        folders = [f"{folder}/" for folder in Path(name).parents if folder != Path()]
        place = next((place for place in (name, *folders) if place in places), None)
        if place is None:
            yield f"{path} is in no room: name it in the table of {DESIGN}"
        else:
            used.add(place)
            places[place].files.append(path)
    for place in places.keys() - used:
        yield f"{DESIGN} has a room for {place}, which is not there"


# What is imported.


def python_imports(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield line, module and names of every import of Python code, but for those that type checkers alone make."""
    nodes: list[ast.AST] = [ast.parse(text)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            nodes.extend(node.orelse)
            continue
        nodes.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, []
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or ""), [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield node.lineno, name.value, []


FROM = re.compile(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n#]*)", re.MULTILINE)
PLAIN = re.compile(r"^[ \t]*c?import[ \t]+([\w., \t]+)", re.MULTILINE)
TEXT = re.compile(r'("""|\'\'\').*?\1', re.DOTALL)


def cython_imports(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield the same of Cython code, cimports too."""
    # Lines keep their numbers.
    text = TEXT.sub(lambda match: "\n" * match[0].count("\n"), text)

    def first_words(names: str) -> list[str]:
        return [name.split()[0] for name in re.sub(r"#.*", "", names).strip("() \t").split(",") if name.strip()]

    for match in FROM.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1], first_words(match[2])
    for match in PLAIN.finditer(text):
        for name in first_words(match[1]):
            yield text.count("\n", 0, match.start()) + 1, name, []


INCLUDE = re.compile(r'^[ \t]*(?:#[ \t]*include|cdef[ \t]+extern[ \t]+from|include)[ \t]+"([^"]+)"', re.MULTILINE)


def imports(root: Path, files: list[Path]) -> list[Import]:
    """Return what files of zmq/ import of each other."""
    ours = [path for path in files if path.parts[0] == "zmq" and path.suffix in IMPORTING]
    modules = {module_of(path) for path in ours}
    headers = {path.name: str(path) for path in ours if path.suffix in (".h", ".pxi")}
    found = set()

    def resolved(path: Path, module: str, name: str = "") -> str | None:
        dots = len(module) - len(module.lstrip("."))
        parts = module.lstrip(".").split(".") if module.strip(".") else []
        if dots:
            parts = [*path.parents[dots - 1].parts, *parts]
        for words in ([*parts, name], parts):
            for module in ("/".join(filter(None, words)), "/".join(filter(None, [*words, "__init__"]))):
                if module in modules:
                    return module
        return None

    for path in ours:
        text = (root / path).read_text()
        if path.suffix != ".h":
            for line, module, names in python_imports(text) if path.suffix == ".py" else cython_imports(text):
                for name in names or [""]:
                    if what := resolved(path, module, name):
                        found.add(Import(path, line, what))
        if path.suffix != ".py":
            for match in INCLUDE.finditer(text):
                beside = str(path.parent / match[1])
                header = beside if Path(beside) in ours else headers.get(Path(match[1]).name)
                if header:
                    found.add(Import(path, text.count("\n", 0, match.start()) + 1, header))
    return sorted(each for each in found if each.what != module_of(each.file))


def against(rooms: list[Room], found: list[Import]) -> list[Import]:
    """Return the imports of a room that is on a higher level, or beside the importing one."""
    room_of = {module_of(path): room for room in rooms for path in room.files}
    wrong = []
    for each in found:
        room, other = room_of.get(module_of(each.file)), room_of.get(each.what)
        if room and other and room is not other and other.level >= room.level:
            wrong.append(each)
    return wrong


# What headers say, what is too long, and where is too much.


def header(path: Path) -> str:
    """Return the comments and the docstring at the top of a file."""
    text = path.read_text().lstrip()
    match = re.match(r'(?:(?:#|//)[^\n]*\n|\s)*(?:"""(.*?)"""|/\*(.*?)\*/)?', text, re.DOTALL)
    return match[0] if match else ""


CALLERS = re.compile(r"Called by (.*?)(?:\.\s|\.?\Z)", re.DOTALL)


def not_calling(root: Path, files: list[Path], found: list[Import]) -> set[str]:
    """Return who is said to call a module, in its header, and does not even import it, nor its package."""
    wrong = set()
    for path in files:
        said = CALLERS.search(header(root / path))
        module = module_of(path).removesuffix("/__init__")
        wanted = {module, f"{module}/__init__", f"{path.parent}/__init__"}
        inside = f"{module}/" if path.stem == "__init__" else "-"
        importers = [
            f"{each.file.with_suffix('')}/" for each in found if each.what in wanted or each.what.startswith(inside)
        ]
        for name in re.findall(r"`(zmq(?:\.\w+)+)`", said[1] if said else ""):
            if not any(each.startswith(name.replace(".", "/") + "/") for each in importers):
                wrong.add(f"{path}: {name}")
    return wrong


def too_long(root: Path, lines: dict[Path, int]) -> set[str]:
    return {str(path) for path, n in lines.items() if n > LONG and "one file" not in header(root / path).lower()}


def crowded(root: Path, files: list[Path]) -> set[str]:
    """Return the folders of many files that nothing tells apart."""
    found = set()
    for folder, n in Counter(path.parent for path in files).items():
        if n > CROWDED:
            readme, package = root / folder / "README.md", root / folder / "__init__.py"
            told = readme.read_text() if readme.exists() else header(package) if package.exists() else ""
            stems = {path.stem for path in files if path.parent == folder} - {"__init__", "conftest"}
            if not all(re.search(rf"\b{re.escape(stem)}\b", told) for stem in stems):
                found.add(str(folder))
    return found


# What is shown.


def table(rows: list[tuple[object, ...]]) -> str:
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            str(cell).rjust(width) if isinstance(cell, int) else str(cell).ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def by_folder(lines: dict[Path, int]) -> str:
    files, total = Counter[str](), Counter[str]()
    for path, n in lines.items():
        files[str(path.parent)] += 1
        total[str(path.parent)] += n
    rows: list[tuple[object, ...]] = [("folder", "files", "lines")]
    rows += [(folder, files[folder], total[folder]) for folder in sorted(files)]
    rows.append(("all", sum(files.values()), sum(total.values())))
    return table(rows)


def used_rooms(rooms: list[Room], found: list[Import]) -> dict[str, set[str]]:
    """Return which rooms each room imports."""
    room_of = {module_of(path): room.name for room in rooms for path in room.files}
    uses: dict[str, set[str]] = {room.name: set() for room in rooms}
    for each in found:
        room, other = room_of.get(module_of(each.file)), room_of.get(each.what)
        if room and other and room != other:
            uses[room].add(other)
    return uses


def layers(rooms: list[Room], uses: dict[str, set[str]], lines: dict[Path, int]) -> str:
    rows: list[tuple[object, ...]] = [("level", "room", "files", "lines", "imports of")]
    for room in reversed(rooms):
        total = sum(lines.get(path, 0) for path in room.files)
        below = [other.name for other in reversed(rooms) if other.name in uses[room.name]]
        rows.append((room.level, room.name, len(room.files), total, ", ".join(below)))
    return table(rows)


def compared(what: str, found: Iterable[str], known: set[str]) -> Iterator[str]:
    """Yield what is wrong: what was found and is not known, and what is known and was not found."""
    found = set(found)
    for each in sorted(found - known):
        yield f"{what}: {each}"
    for each in sorted(known - found):
        yield f"not any more, strike it out in tools/house.py: {what}: {each}"


# The picture.

WIDTH, MARGIN, GAP, LANE, LEADING, LETTER = 880, 16, 26, 12, 17, 7.1


def wrapped(names: list[str], width: float) -> list[str]:
    rows = [""]
    for name in names:
        longer = f"{rows[-1]}  {name}".strip()
        if rows[-1] and len(longer) * LETTER > width:
            rows.append(name)
        else:
            rows[-1] = longer
    return rows


def shown_names(room: Room) -> list[list[str]]:
    """Return the names of what is in a room, line by line: modules, headers and packages; what is in inner packages."""
    lines: list[list[str]] = [[]]
    for place in room.places:
        if place.count("/") > 1:
            inside = [path for path in room.files if module_of(path).startswith(f"zmq/{place}")]
            names = {path.name if path.suffix == ".h" else path.stem for path in inside} - {"__init__"}
            lines.append([place, *sorted(names)])
        else:
            lines[0].append("zmq" if place == "__init__" else place.removesuffix("/__init__").rstrip("/"))
    return [line for line in lines if line]


def arrows(rooms: list[Room], uses: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return who uses whom, without what follows from others: an arrow over two others says nothing new."""

    def below(name: str, seen: set[str]) -> set[str]:
        for other in uses[name] - seen:
            seen.add(other)
            below(other, seen)
        return seen

    level = {room.name: room.level for room in rooms}
    # What runs against the layers is no part of the plan.
    uses = {name: {other for other in others if level[other] < level[name]} for name, others in uses.items()}
    return [
        (name, other)
        for name, others in uses.items()
        for other in sorted(others)
        if not any(other in below(between, set()) for between in others - {other})
    ]


def picture(rooms: list[Room], uses: dict[str, set[str]]) -> str:
    """Draw the rooms as boxes, level over level, and arrows to the rooms that each imports."""
    shapes: list[str] = []
    boxes: dict[str, tuple[float, float, float, float]] = {}
    levels = sorted({room.level for room in rooms}, reverse=True)
    pairs = arrows(rooms, uses)
    place = {room.name: levels.index(room.level) for room in rooms}
    far = [pair for pair in pairs if place[pair[1]] - place[pair[0]] > 1]
    inner = WIDTH - 2 * MARGIN - (len(far) + 1) * LANE
    y: float = MARGIN
    for level in levels:
        beside = [room for room in rooms if room.level == level]
        # Wide as they have something to say.
        names = [shown_names(room) for room in beside]
        weights = [max(12, max(sum(len(name) + 2 for name in line) for line in lines) ** 0.7) for lines in names]
        free = inner - (len(beside) - 1) * GAP
        widths = [free * weight / sum(weights) for weight in weights]
        texts = [
            [row for line in lines for row in wrapped(line, width - 24)]
            for lines, width in zip(names, widths, strict=True)
        ]
        height: float = 34 + LEADING * max(map(len, texts))
        x: float = MARGIN
        for room, width, rows in zip(beside, widths, texts, strict=True):
            boxes[room.name] = x, y, width, height
            shapes.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="6"/>')
            shapes.append(f'<text class="name" x="{x + 12:.0f}" y="{y + 20:.0f}">{escape(room.name)}</text>')
            for i, row in enumerate(rows):
                at = y + 39 + i * LEADING
                shapes.append(f'<text x="{x + 12:.0f}" y="{at:.0f}" xml:space="preserve">{escape(row)}</text>')
            x += width + GAP
        y += height + GAP
    right: float = MARGIN + inner
    into = Counter[str]()
    for name, other in pairs:
        (x1, y1, width, height), (x2, y2, width2, height2) = boxes[name], boxes[other]
        if (name, other) in far:
            # Around the levels between: out of the box at its right or, where others are there, below it; in likewise.
            number = far.index((name, other)) + 1
            lane, step = right + number * LANE, 5 * (number - len(far) / 2)
            if x1 + width > right - 1:
                line = f"M{x1 + width:.0f} {y1 + height / 2 + step:.0f}H{lane:.0f}"
            else:
                line = f"M{x1 + width - 30 + step:.0f} {y1 + height:.0f}v{GAP / 2 + step / 2:.0f}H{lane:.0f}"
            if x2 + width2 > right - 1:
                line += f"V{y2 + height2 / 2 + 6 * into[other] - 6:.0f}H{x2 + width2 + 2:.0f}"
            else:
                line += f"V{y2 - GAP / 2 + step / 2:.0f}H{x2 + width2 - 30 + step:.0f}V{y2 - 2:.0f}"
            into[other] += 1
        else:
            start, end = max(x1, x2), min(x1 + width, x2 + width2)
            if start < end:
                start = end = (start + end) / 2
            else:
                # From corner to corner.
                start, end = (start + 20, end - 20) if x1 > x2 else (end - 20, start + 20)
            line = f"M{start:.0f} {y1 + height:.0f}L{end:.0f} {y2 - 2:.0f}"
        shapes.append(f'<path d="{line}" marker-end="url(#head)"/>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y - GAP + MARGIN:.0f}" role="img">',
            "<!-- Drawn by tools/house.py from the table of docs/design.md and from the imports. -->",
            "<title>The layers of greenzmq, and which imports which</title>",
            "<style>",
            "svg { background: #ffffff; color: #1f2328; }",
            "rect { fill: #f3f5f8; stroke: #8c95a1; }",
            "text { fill: currentColor; font: 13px ui-monospace, Menlo, Consolas, monospace; }",
            ".name { font: bold 14px system-ui, sans-serif; }",
            "path { fill: none; stroke: #4a7ab5; stroke-width: 1.5; }",
            "marker path { fill: #4a7ab5; stroke: none; }",
            "@media (prefers-color-scheme: dark) {",
            "svg { background: #0d1117; color: #e6edf3; }",
            "rect { fill: #1b222c; stroke: #6b7685; }",
            "}",
            "</style>",
            '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">',
            '<path d="M0 0L8 4L0 8z"/></marker>',
            *shapes,
            "</svg>",
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, metavar="FOLDER", help="the tree to look at (this one)")
    parser.add_argument("what", nargs="?", choices=["imports", "picture"], help="instead of everything")
    parser.add_argument("room", nargs="?", help="with imports: of this room")
    options = parser.parse_args()
    root: Path = options.root

    files = sources(root)
    lines = {path: len((root / path).read_bytes().splitlines()) for path in files}
    rooms = rooms_of((root / DESIGN).read_text())
    wrong = list(settle(rooms, files))
    found = imports(root, files)
    uses = used_rooms(rooms, found)
    drawn = picture(rooms, uses)

    if options.what == "picture":
        (root / PICTURE).write_text(drawn)
        return 0
    if options.what == "imports":
        room_of = {module_of(path): room.name for room in rooms for path in room.files}
        for each in found:
            room, other = room_of.get(module_of(each.file)), room_of.get(each.what)
            if room != other and options.room in (None, room):
                print(f"{each.file}:{each.line}: {room} -> {other}: {each.what}")
        return 0

    wrong_way = against(rooms, found)
    print(by_folder(lines), layers(rooms, uses, lines), sep="\n\n", end="\n\n")
    known = {f"{file} imports {what}" for file, what in AGAINST}
    wrong += compared("against the layers", {f"{each.file} imports {each.what}" for each in wrong_way}, known)
    wrong += compared("said to call it, and does not", not_calling(root, files, found), set())
    wrong += compared(f"more than {LONG} lines, and its header does not say why", too_long(root, lines), TOO_LONG)
    wrong += compared(f"more than {CROWDED} files, and nothing names them all", crowded(root, files), TOO_CROWDED)
    if not (root / PICTURE).exists() or (root / PICTURE).read_text() != drawn:
        wrong.append(f"{PICTURE} is not what the code says: python tools/house.py picture")
    for what in sorted(known | TOO_LONG | TOO_CROWDED):
        print(f"known, and to be put in order: {what}")
    print(*wrong, sep="\n", file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
