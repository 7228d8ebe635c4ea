"""The live view in a terminal, drawn by textual.

Lives here: what is where on the screen, and the keys. What must not: what is shown (`zmq.top.tables`). Called by
`zmq.top.command`. The process is asked in a thread, so that the keys work while it does not answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Sparkline, Static

from zmq.inspect import Inspection, NoAnswer
from zmq.log._escapes import printable, printable_lines
from zmq.top.causes import seconds
from zmq.top.tables import SORTS, Looks, human
from zmq.top.text import hub_state

#: Seconds of a wait from which on it is marked.
LONG, VERY_LONG = 1.0, 10.0


def colour_of(wait: float) -> str:
    return "bold red" if wait >= VERY_LONG else "yellow" if wait >= LONG else ""


class Details(ModalScreen[None]):
    """A text to be read and scrolled, until a key is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter,d", "dismiss", "Back")]

    def __init__(self, text: Text | str) -> None:
        super().__init__()
        self.text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self.text, markup=False)
        yield Footer()


class Top(App[int]):
    """The view.

    Parameters
    ----------
    inspection : Inspection
        The process.
    interval : float
        Seconds between looks.
    sort : str
        The order of the sockets: a key of `SORTS`.
    """

    TITLE = "zmq.top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #head { height: auto; background: $primary; color: $text; padding: 0 1; text-style: bold; }
    #causes { height: auto; max-height: 14; border: round $error; border-title-color: $error; padding: 0 1; }
    #causes.fine { border: round $success; border-title-color: $success; }
    #charts { height: 3; }
    .chart { width: 1fr; height: 3; padding: 0 1; }
    .chart Sparkline { height: 2; }
    .chart Static { color: $text-muted; height: 1; }
    #hubs { height: auto; padding: 0 1; }
    DataTable { height: 1fr; min-height: 4; border: round $panel-lighten-2; border-title-color: $text;
        scrollbar-size: 1 1; }
    DataTable:focus { border: round $accent; }
    Details VerticalScroll { margin: 1 2; border: round $accent; background: $surface; padding: 0 1; }
    Details Static { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("s", "sort", "Sort"),
        Binding("p", "pause", "Pause"),
        Binding("d", "dump", "All stacks"),
        Binding("c", "causes", "Causes"),
        Binding("tab", "focus_next", "Next table", show=False),
    ]

    def __init__(self, inspection: Inspection, interval: float = 1.0, sort: str = "wait") -> None:
        super().__init__()
        self.inspection: Inspection | None = inspection
        self.where: str | int = inspection.path
        self.patience = inspection.timeout
        self.interval = interval
        self.sort_key = sort
        self.looks = Looks()
        self.paused = False
        self.failed: str | None = None
        self.asked_since: float | None = None
        self.head = Static(id="head", markup=False)
        self.causes = VerticalScroll(id="causes")
        self.why = Static(id="why", markup=False)
        self.charts = {
            name: (Static(id=f"{name}-title", markup=False), Sparkline([], id=name, summary_function=max))
            for name in ("in", "out", "wait")
        }
        self.hubs = Static(id="hubs", markup=False)
        self.waits: DataTable[Any] = DataTable(id="waits", cursor_type="row", zebra_stripes=True)
        self.sockets: DataTable[Any] = DataTable(id="sockets", cursor_type="row", zebra_stripes=True)

    def compose(self) -> ComposeResult:
        yield self.head
        with self.causes:
            yield self.why
        with Horizontal(id="charts"):
            for title, chart in self.charts.values():
                with Vertical(classes="chart"):
                    yield title
                    yield chart
        yield self.hubs
        yield self.waits
        yield self.sockets
        yield Footer()

    def on_mount(self) -> None:
        self.causes.can_focus = False
        self.waits.add_columns("for", "who", "does", "where", "for what")
        self.sockets.add_columns("type", "name", "waits", "endpoints")
        self.waits.focus()
        self.ask()
        self.set_interval(self.interval, self.ask)
        self.set_interval(0.5, self.show_head)

    def on_unmount(self) -> None:
        if self.inspection is not None:
            self.inspection.close()

    # Asking.

    def ask(self) -> None:
        """Ask the process, unless it was asked and has not answered yet."""
        if self.asked_since is None and not self.paused:
            self.asked_since = time.monotonic()
            self.look()

    @work(thread=True)
    def look(self) -> None:
        try:
            if self.inspection is None:
                self.inspection = Inspection(self.where, self.patience)
            answer = self.inspection.ask()
        except NoAnswer as error:
            self.inspection = None
            self.tell(self.note, None, str(error))
            return
        self.tell(self.note, answer, None)

    def tell(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the view's own thread, unless it has ended."""
        if self.is_running:
            with suppress(RuntimeError):
                self.call_from_thread(function, *arguments)

    def note(self, answer: dict[str, Any] | None, failed: str | None) -> None:
        self.asked_since = None
        self.failed = failed
        if answer is not None:
            self.looks.add(answer)
        self.show()

    # Showing.

    def is_there(self) -> bool:
        """Tell whether all of it is there: as the view ends some is gone before the last answer comes."""
        return self.is_running and all(widget.is_attached for widget in (self.head, self.why, self.waits, self.sockets))

    def show(self) -> None:
        if not self.is_there():
            return
        if self.looks.state:
            self.show_charts()
            self.show_waits()
            self.show_sockets()
            self.show_hubs()
        self.show_head()
        self.show_causes()

    def show_head(self) -> None:
        if not self.is_there():
            return
        state = self.looks.state
        if not state:
            self.head.update(f"{self.where}: asked")
            return
        late = 0.0 if self.asked_since is None else time.monotonic() - self.asked_since
        note = " | paused" if self.paused else ""
        if self.failed:
            note = " | NO ANSWER"
        elif late > self.interval:
            note = f" | asked {late:.0f} s ago"
        at = time.strftime("%H:%M:%S", time.localtime(state["time"]))
        command = printable(" ".join(" ".join(state["command"]).split()))
        right = f"{at}{note}"
        room = max(10, self.size.width - len(right) - 4)
        left = f"{state['pid']}  {command}"
        left = left if len(left) <= room else f"{left[: room - 1]}…"
        self.head.update(f"{left:{room}}  {right}")

    def show_causes(self) -> None:
        found = self.looks.causes() if self.looks.state else []
        text = Text()
        if self.failed:
            text.append(f"{printable(self.failed)}\n", "bold red")
        for each in found:
            text.append("● " if each["certain"] else "? ", "bold red" if each["certain"] else "yellow")
            text.append(f"{printable(each['text'])}\n")
        if not text:
            text.append("Nothing seems to hang.")
        text.rstrip()
        fine = not self.failed and not any(each["certain"] for each in found)
        self.causes.set_class(fine, "fine")
        self.causes.border_title = "Why it may hang" if found or self.failed else "Fine"
        self.why.update(text)

    def show_charts(self) -> None:
        last = self.looks.history[-1]
        counts = self.looks.counts()
        titles = {name: f"{name}/s {human(last[name]) if counts else 'not counted'}" for name in ("in", "out")}
        titles["wait"] = f"longest wait {seconds(last['wait'])}"
        for name, (title, chart) in self.charts.items():
            title.update(titles[name])
            chart.data = [each[name] for each in self.looks.history]

    def show_hubs(self) -> None:
        text = Text()
        for hub in self.looks.hubs():
            late = hub["answers"] is False and hub["runs"]
            text.append(printable(f"{hub['framework']} in {hub['thread_name'] or hub['thread']}: "), "bold")
            text.append(f"{hub_state(hub)}   ", "bold red" if late else "")
        if self.looks.stalls:
            text.append(f"stalls seen: {self.looks.stalls}, longest {seconds(self.looks.longest_stall)}", "yellow")
        self.hubs.update(text or Text("no hub has been waited in", "dim"))

    def show_waits(self) -> None:
        rows = self.looks.waits()
        self.waits.border_title = f"Who waits: {len(rows)}"
        self.fill(
            self.waits,
            [
                (
                    Text(seconds(row["seconds"]), colour_of(row["seconds"]), justify="right"),
                    row["who"],
                    Text(
                        f"{row['action']}, blocks" if row["blocks"] else row["action"], "red" if row["blocks"] else ""
                    ),
                    f"{row['where']} {row['function']}",
                    row["waits_for"],
                )
                for row in rows
            ],
        )

    def show_sockets(self) -> None:
        rows = self.looks.sockets(self.sort_key)
        self.sockets.border_title = f"Sockets: {len(rows)}, by {self.sort_key}"
        counted = ["longest", "in/s", "out/s", "received", "sent", "queue"] if self.looks.counts() else []
        titles = ["type", "name", "waits", *counted, "endpoints"]
        if [str(column.label) for column in self.sockets.ordered_columns] != titles:
            self.sockets.clear(columns=True)
            self.sockets.add_columns(*titles)

        def cells(row: dict[str, Any]) -> dict[str, Any]:
            wait = Text(seconds(row["wait"]), colour_of(row["wait"]), justify="right") if row["waiters"] else ""
            numbers = {"in/s": row["in"], "out/s": row["out"], "received": row["messages_received"]}
            numbers |= {"sent": row["messages_sent"], "queue": row["queue"]}
            return {
                "type": row["type"],
                "name": row["name"],
                "waits": wait,
                "longest": Text("" if row["longest"] is None else seconds(row["longest"]), justify="right"),
                **{title: Text(human(number), justify="right") for title, number in numbers.items()},
                "endpoints": row["endpoints"],
            }

        self.fill(self.sockets, [tuple(found[title] for title in titles) for found in map(cells, rows)])

    def fill(self, table: DataTable[Any], rows: list[tuple[Any, ...]]) -> None:
        """Put rows into a table; the cursor and what is scrolled stay where they were."""
        at, scrolled = table.cursor_row, table.scroll_offset
        table.clear()
        for row in rows:
            table.add_row(*(Text(printable(cell)) if isinstance(cell, str) else cell for cell in row))
        if rows:
            table.move_cursor(row=min(at, len(rows) - 1), animate=False, scroll=False)
            table.scroll_to(scrolled.x, scrolled.y, animate=False)

    # Keys.

    def action_sort(self) -> None:
        keys = list(SORTS)
        self.sort_key = keys[(keys.index(self.sort_key) + 1) % len(keys)]
        if self.looks.state:
            self.show_sockets()

    def action_pause(self) -> None:
        self.paused = not self.paused
        self.show_head()

    def action_causes(self) -> None:
        text = Text()
        for each in self.looks.causes() if self.looks.state else ():
            text.append(f"{printable(each['text'])}\n")
            for place in each["stack"]:
                at = f'    File "{place["file"]}", line {place["line"]}, in {place["function"]}'
                text.append(f"{printable(at)}\n")
                text.append(f"      {printable(place['source'])}\n", "dim")
            text.append("\n")
        self.push_screen(Details(text or "Nothing seems to hang."))

    @work(thread=True)
    def action_dump(self) -> None:
        try:
            with Inspection(self.where, self.patience) as inspection:
                text = str(inspection.ask("dump")["dump"])
        except NoAnswer as error:
            text = str(error)
        self.tell(self.push_screen, Details(printable_lines(text)))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        if event.data_table is not self.waits or not self.looks.state:
            return
        rows = self.looks.waits()
        if event.cursor_row >= len(rows):
            return
        row = rows[event.cursor_row]
        lines = [f"{row['kind']} {row['who']} in thread {row['thread']}", "", f"{row['action']}: {row['waits_for']}"]
        lines.append(f"for {seconds(row['seconds'])}")
        if row["file"]:
            lines.append(f'at File "{row["file"]}", line {row["line"]}, in {row["function"]}')
        if row["begun"]:
            begun = row["begun"]
            lines.append(f'begun at File "{begun["file"]}", line {begun["line"]}, in {begun["function"]}')
        self.push_screen(Details("\n".join(map(printable, [*lines, "", "d shows all stacks."]))))
