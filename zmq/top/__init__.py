"""``python -m zmq.top``: show a running process, in a terminal, in a browser, as text or as JSON.

Lives here: what is made of the answers of a process that `zmq.inspect` asks. What must not: anything that runs in that
process.

- `causes`: why it may hang, as sentences. `tables`: what the views show, with rates between two looks.
- `text`: all of it at once. `terminal`: a live view, with textual. `web`: the same on a page, with ``page.html``.
- `command`: the command line.
"""
