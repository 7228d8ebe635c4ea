"""What Sphinx is told about the site. ``make docs`` builds it (`tools/website.py`)."""

from __future__ import annotations

import inspect
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_id, make_refnode

import zmq

sys.path.insert(0, str(Path(zmq.__file__).parents[1] / "tools"))
import reference

project = "greenzmq"
author = "The greenzmq developers"
copyright = "the greenzmq developers"
release = version = zmq.greenzmq_version()

# What another version of these has read is read again.
read_by = zlib.crc32(b"".join(Path(file).read_bytes() for file in (__file__, reference.__file__)))

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["examples/README.md"]
default_role = "py:obj"
add_module_names = False
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autoclass_content = "class"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"greenzmq {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
pygments_style = "friendly"
pygments_dark_style = "monokai"


class Constants(SphinxDirective):
    """The members of an enum as a table, each with an entry of its own in the index of names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        full = self.arguments[0]
        module, _, name = full.rpartition(".")
        members = getattr(reference.load(module), name).__members__
        types = any(hasattr(member, "_opt_type") for member in members.values())
        titles = ["name", "number", *(["value"] if types else [])]
        rows: list[list[nodes.Node]] = []
        domain = self.env.domains["py"]
        assert isinstance(domain, PythonDomain)
        constants = reference.load("zmq.constants")
        for member, value in members.items():
            # As programs write it: zmq.EVENT_CONNECTED is Event.CONNECTED.
            named = [name for name in reference.names("zmq.constants") if getattr(constants, name) is value]
            shown = next((name for name in named if name.endswith(member)), member)
            literal = nodes.literal(shown, shown)
            node_id = make_id(self.env, self.state.document, "", f"{full}.{member}")
            literal["ids"].append(node_id)
            domain.note_object(f"{full}.{member}", "attribute", node_id, location=literal)
            if shown in named:
                domain.note_object(f"zmq.constants.{shown}", "data", node_id, location=literal)
                domain.note_object(f"zmq.{shown}", "data", node_id, aliased=True, location=literal)
            number = str(value.value)
            cells: list[nodes.Node] = [literal, nodes.Text(number)]
            if types:
                cells.append(nodes.Text(value._opt_type.name))
            rows.append(cells)
        return [table(titles, rows)]


def table(titles: list[str], rows: list[list[nodes.Node]]) -> nodes.table:
    group = nodes.tgroup(cols=len(titles))
    group += [nodes.colspec(colwidth=1) for _ in titles]
    head, body = nodes.thead(), nodes.tbody()
    for part, lines in ((head, [[nodes.Text(title) for title in titles]]), (body, rows)):
        for cells in lines:
            row = nodes.row()
            for cell in cells:
                row += nodes.entry("", nodes.paragraph("", "", cell))
            part += row
    group += [head, body]
    found = nodes.table("", group)
    found["classes"].append("constants")
    return found


class References(SphinxPostTransform):
    """Resolves what docstrings name in short: in their class, their module, or in zmq.

    Before Sphinx does, which guesses.
    """

    default_priority = 5

    def run(self, **_: Any) -> None:
        domain = self.env.domains["py"]
        assert isinstance(domain, PythonDomain)
        for node in list(self.document.findall(addnodes.pending_xref)):
            if node.get("refdomain") != "py":
                continue
            node.attributes.pop("refspecific", None)
            found = next((home for home in candidates(node) if home in domain.objects), None)
            if found:
                entry = domain.objects[found]
                new = make_refnode(
                    self.app.builder, self.env.docname, entry.docname, entry.node_id, list(node.children), found
                )
                node.replace_self(new)


def candidates(node: nodes.Element) -> Iterator[str]:
    target = node["reftarget"].strip("()")
    module, cls = node.get("py:module"), node.get("py:class")
    for place in (f"{module}.{cls}" if cls else None, module, "zmq"):
        if place:
            yield from homes_of(f"{place}.{target}")
    yield from homes_of(target)


def homes_of(full: str) -> list[str]:
    """Return where something may be documented that goes by this name."""
    homes = reference.homes()
    owner, _, member = full.rpartition(".")
    found = [full, homes.get(full, full)]
    if owner in homes:
        thing = getattr(reference.load(homes[owner].rpartition(".")[0]), homes[owner].rpartition(".")[2])
        if inspect.isclass(thing):
            found += [f"{home}.{member}" for cls in thing.__mro__ if (home := reference.home_of(cls))]
    return found


def setup(app: Sphinx) -> None:
    app.add_directive("constants", Constants)
    app.add_post_transform(References)
    app.add_config_value("read_by", 0, "env")
