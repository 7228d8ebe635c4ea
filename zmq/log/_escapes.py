"""How text of others is shown in a terminal: what commands it, or deceives who reads, as a number.

Lives here: that, for commands that show what they are told. What must not: what they show. Called by
`zmq.log._watcher` and `zmq.top`.
"""

from __future__ import annotations

import re
import unicodedata

#: What is shown as a number, as it commands the terminal, begins a line that looks like another record, changes the
#: order in which text is shown or hides some of it: controls, formats, surrogates, separators of lines and paragraphs;
HIDING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
#: and letters and marks that show nothing, with the selectors of variations.
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def escape(char: str) -> str:
    """Return how a character is shown, such as ``\\x1b``, if it must not be printed."""
    if char == "\n":
        return "\\n"
    if char == "\t" or (unicodedata.category(char) not in HIDING and not INVISIBLE.match(char)):
        return char
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def printable(text: str) -> str:
    """Return how a text is shown, in one line.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Such as ``name\\\\n``, with backslashes, for a name with a new line and a sequence that clears a screen.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(escape, text))


def printable_lines(text: str) -> str:
    """Return how a text of several lines is shown."""
    return "\n".join(map(printable, text.split("\n")))
