"""Pictures of `zmq.top` for the documentation: the services of examples/hanging, in a terminal and on the page.

Lives here: how they are made, with textual's own driver and chromium. Where Pillow is there they get small.

    python tools/top_pictures.py [NAME...]  # write docs/pictures/top/NAME.png
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from zmq.inspect import Inspection, NoAnswer  # noqa: E402
from zmq.top import web  # noqa: E402
from zmq.top.terminal import Top  # noqa: E402

EXAMPLES = ROOT / "examples" / "hanging"
PICTURES = ROOT / "docs" / "pictures" / "top"
#: Where the services are, on the pictures.
SHOP = Path("/tmp/shop")
#: Columns and lines of the terminal, and its pixels.
SIZE, PIXELS = (100, 28), "1238,764"
#: The service that is shown on the page.
PAGE = "blocked_hub"
#: Seconds for which a service is looked at.
WATCHED = 5.0


def browser(address: str, picture: Path, pixels: str) -> None:
    """Have chromium take a picture."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000"]
        options += [f"--user-data-dir={folder}", f"--window-size={pixels}", f"--screenshot={picture}", address]
        subprocess.run(["chromium", *options], check=True, capture_output=True)


def shrink(picture: Path) -> None:
    """Have a picture take less room, if that can be done here."""
    try:
        from PIL import Image
    except ImportError:
        return
    with Image.open(picture) as image:
        image.convert("RGB").quantize(128, Image.Quantize.MAXCOVERAGE).save(picture, optimize=True)


def connected(path: str) -> Inspection:
    """Return a connection to a service that begins."""
    for _ in range(100):
        with suppress(NoAnswer):
            return Inspection(path)
        time.sleep(0.05)
    raise SystemExit(f"nobody answers at {path}")


async def terminal(inspection: Inspection, picture: Path) -> None:
    app = Top(inspection, 0.25)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(WATCHED)
        app.save_screenshot(str(picture))


def page(inspection: Inspection, picture: Path) -> None:
    watched = web.Watched(inspection, 0.25)
    server = web.Server(0, watched)
    threads = [threading.Thread(target=target, daemon=True) for target in (server.serve_forever, watched.run)]
    for thread in threads:
        thread.start()
    time.sleep(WATCHED)
    browser(server.url(), picture, "1000,760")
    watched.ended.set()
    server.shutdown()
    server.server_close()


def main() -> None:
    names = sys.argv[1:] or [*sorted(path.stem for path in EXAMPLES.glob("*.py")), "page"]
    PICTURES.mkdir(exist_ok=True)
    SHOP.mkdir(exist_ok=True)
    try:
        draw(names)
    finally:
        shutil.rmtree(SHOP)


def draw(names: list[str]) -> None:
    for name in names:
        picture = PICTURES / f"{name}.png"
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/asked"
            script = f"{PAGE if name == 'page' else name}.py"
            shutil.copy(EXAMPLES / script, SHOP)
            # Neither where this tree is nor the interpreter is to be seen.
            search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            environment = {**os.environ, "ZMQ_INSPECT": path, "PATH": search}
            service = subprocess.Popen(["python", script], cwd=SHOP, env=environment)
            try:
                with connected(path) as inspection:
                    if name == "page":
                        page(inspection, picture)
                    else:
                        drawn = Path(folder) / "drawn.svg"
                        asyncio.run(terminal(inspection, drawn))
                        # No fonts from elsewhere: those of this machine do.
                        text = drawn.read_text()
                        start, end = text.index("@font-face"), text.rindex("@font-face")
                        drawn.write_text(text[:start] + text[text.index("}", end) + 1 :])
                        browser(drawn.as_uri(), picture, PIXELS)
            finally:
                service.kill()
                service.wait()
        shrink(picture)


if __name__ == "__main__":
    main()
