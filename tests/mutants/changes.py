"""Small changes of Cython code, each of which a good test suite notices.

Lives here: which changes there are in a text. What must not: compiling, running tests (`mutants`).
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

#: What an operator or a word becomes.
SWAPPED = {
    **{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="},
    **{"+": "-", "-": "+", "+=": "-=", "-=": "+=", "&": "|", "|": "&", "|=": "&=", "&=": "|="},
    **{"and": "or", "or": "and", "True": "False", "False": "True"},
}
#: After these no operand ends: an operator that follows stands before one, or is a cast.
OPENS = {*SWAPPED, *("(", "[", "{", ",", "=", ":", "return", "not", "in", "is", "if", "elif", "else", "while", "yield")}
OPENS -= {"True", "False"}
#: What a line begins with that only declares.
DECLARES = ("cdef ", "cpdef ", "ctypedef ", "cimport ", "from ", "import ", "include ", "global ", "nonlocal ")
#: What a line begins with that says how something is called.
NAMES = ("@", "def ", "class ", "extern ", "async ")
#: What a line begins with that can't be left out, or would be another change.
NEEDED = ("if ", "elif ", "else:", "for ", "while ", "try:", "except", "finally:", "with ", "return", "pass", "raise")
NEEDED += ("yield", "break", "continue", '"""')


class Change(NamedTuple):
    """One change: a line of a text, and what stands in its place."""

    line: int
    before: str
    after: str


def changes_of(text: str) -> Iterator[Change]:
    """Yield every change of a text that is made here, from the first line to the last.

    The numbers of an enumeration stay: they only tell its names apart, or were chosen.
    """
    lines = text.splitlines()
    enumeration: int | None = None  # the indentation of the one that these lines may be of
    for number, tokens in statements(text):
        line = lines[number - 1]
        start = line.lstrip()
        indentation = len(line) - len(start)
        if enumeration is not None and indentation > enumeration:
            continue
        enumeration = indentation if start.startswith("cdef enum") else None
        if start.startswith(NAMES):
            continue
        if start.startswith(DECLARES):
            # The value that a variable is declared with counts all the same.
            place = next((place for place, token in enumerate(tokens) if token.string == "="), None)
            if place is None or any(token.string == "(" for token in tokens[:place]):
                continue
            yield from changes_of_tokens(lines, tokens[place + 1 :])
            continue
        if start == "return 0":
            # Of functions that return nothing but that there was no error.
            continue
        yield from changes_of_tokens(lines, tokens)
        one_line = all(token.start[0] == token.end[0] == number for token in tokens)
        if one_line and not start.startswith(NEEDED):
            yield Change(number, line, line[:indentation] + "pass")


def statements(text: str) -> Iterator[tuple[int, list[tokenize.TokenInfo]]]:
    """Yield the tokens of each statement, with the number of its first line; docstrings are none."""
    tokens: list[tokenize.TokenInfo] = []
    skipped = (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            if any(each.type != tokenize.STRING for each in tokens):
                yield tokens[0].start[0], tokens
            tokens = []
        elif token.type not in skipped:
            tokens.append(token)


def changes_of_tokens(lines: list[str], tokens: list[tokenize.TokenInfo]) -> Iterator[Change]:
    casts = 0
    for place, token in enumerate(tokens):
        before = tokens[place - 1].string if place else "("
        after = tokens[place + 1].string if place + 1 < len(tokens) else ""
        if before in OPENS and token.string in ("<", "&", "-", "+", "*"):
            # A cast, an address, or the sign of a number.
            casts += token.string == "<"
            continue
        if token.string == ">" and casts:
            casts -= 1
            continue
        if casts:
            continue
        if token.string in SWAPPED:
            yield changed(lines, token, SWAPPED[token.string])
        elif token.string == "not" and before != "is" and after != "in":
            yield changed(lines, token, "", rest=1)
        elif token.string == "is":
            yield changed(lines, token, "is" if after == "not" else "is not", rest=4 if after == "not" else 0)
        elif token.type == tokenize.NUMBER and token.string.isdecimal():
            yield changed(lines, token, str(int(token.string) + 1))
        elif token.string in ("break", "continue"):
            yield changed(lines, token, "continue" if token.string == "break" else "break")


def changed(lines: list[str], token: tokenize.TokenInfo, new: str, rest: int = 0) -> Change:
    """Return the change of a token, and of so many characters behind it, to a text."""
    line, (number, start), (_, end) = lines[token.start[0] - 1], token.start, token.end
    return Change(number, line, line[:start] + new + line[end + rest :])
