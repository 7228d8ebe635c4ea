"""JupyterLab's server: kernels that its REST API starts, driven through its websockets, as its page does."""

from __future__ import annotations

import asyncio
import json
import uuid
from urllib.parse import quote

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

from support import free_ports, program

LIMIT = 40
TOKEN = "secret-of-the-check"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    [port] = free_ports()
    home = tmp_path_factory.mktemp("home")
    command = ["jupyter-lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={home}", f"--IdentityProvider.token={TOKEN}"]
    # Less is sent than the server would hold back.
    command += ["--ZMQChannelsWebsocketConnection.iopub_msg_rate_limit=1e9"]
    # Nothing is written to the user's own folders, and nothing in the network is asked for.
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with program(*command, HOME=str(home), JUPYTER_PREFER_ENV_PATH="1") as started:
        started.wait_for("is running at", limit=90)
        yield f"127.0.0.1:{port}"
        started.stop()


async def ask(server, method, path, **content):
    """Make a request of the REST API, and return the answer."""
    body = json.dumps(content) if method == "POST" else None
    headers = {"Authorization": f"token {TOKEN}"}
    found = await AsyncHTTPClient().fetch(
        f"http://{server}/api/{path}", method=method, body=body, headers=headers, request_timeout=LIMIT
    )
    return json.loads(found.body) if found.body else None


class Kernel:
    """A kernel of the server, and a websocket to it."""

    def __init__(self, server):
        self.server, self.session = server, uuid.uuid4().hex

    async def __aenter__(self):
        self.id = (await ask(self.server, "POST", "kernels", name="python3"))["id"]
        await self.connect()
        return self

    async def connect(self):
        path = f"kernels/{quote(self.id)}/channels?session_id={self.session}&token={TOKEN}"
        self.socket = await websocket_connect(f"ws://{self.server}/api/{path}", connect_timeout=LIMIT)

    async def __aexit__(self, *error):
        self.socket.close()
        await ask(self.server, "DELETE", f"kernels/{self.id}")

    async def begin(self, code):
        """Have code executed, and return the id of the request."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": self.session}
        header |= {"username": "check", "version": "5.3", "date": "2026-01-01T00:00:00Z"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        content |= {"allow_stdin": False, "stop_on_error": True}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}
        await self.socket.write_message(json.dumps({**message, "channel": "shell"}))
        return header["msg_id"]

    async def finish(self, request):
        """Return the reply to a request, and what was printed until the kernel was idle again."""
        reply, printed, idle = None, "", False
        while reply is None or not idle:
            got = await asyncio.wait_for(self.socket.read_message(), LIMIT)
            assert got is not None, "the server closed the websocket"
            message = json.loads(got)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "execute_reply":
                reply = content
            elif kind == "stream":
                printed += content["text"]
            elif kind == "status":
                idle = content["execution_state"] == "idle"
        return reply, printed

    async def run(self, code):
        return await self.finish(await self.begin(code))


def test_a_cell(server):
    async def main():
        async with Kernel(server) as kernel:
            reply, printed = await kernel.run("print(6 * 7)")
            assert (reply["status"], printed) == ("ok", "42\n")
            reply, _ = await kernel.run("1 / 0")
            assert (reply["status"], reply["ename"]) == ("error", "ZeroDivisionError")

    asyncio.run(main())


def test_much_output_comes_in_order(server):
    async def main():
        async with Kernel(server) as kernel:
            _, printed = await kernel.run("for number in range(3000):\n    print(number, flush=True)")
            assert printed.split() == [str(number) for number in range(3000)]

    asyncio.run(main())


def test_a_cell_is_interrupted(server):
    async def main():
        async with Kernel(server) as kernel:
            request = await kernel.begin("print('begun', flush=True)\nimport time\ntime.sleep(600)")
            while True:
                message = json.loads(await asyncio.wait_for(kernel.socket.read_message(), LIMIT))
                if message["header"]["msg_type"] == "stream":
                    break
            await ask(server, "POST", f"kernels/{kernel.id}/interrupt")
            reply, _ = await kernel.finish(request)
            assert reply["ename"] == "KeyboardInterrupt"
            assert (await kernel.run("print('still there')"))[1] == "still there\n"

    asyncio.run(main())


def test_a_restart_forgets(server):
    async def main():
        async with Kernel(server) as kernel:
            assert (await kernel.run("remembered = 1"))[0]["status"] == "ok"
            await ask(server, "POST", f"kernels/{kernel.id}/restart")
            kernel.socket.close()
            await kernel.connect()
            assert (await kernel.run("remembered"))[0]["ename"] == "NameError"

    asyncio.run(main())


def test_a_page_that_is_loaded_again_goes_on(server):
    async def main():
        async with Kernel(server) as kernel:
            await kernel.run("value = 'kept'")
            for _ in range(3):
                kernel.socket.close()
                await kernel.connect()
                assert (await kernel.run("print(value)"))[1] == "kept\n"

    asyncio.run(main())


def test_kernels_beside_each_other(server):
    async def main():
        async def one(number):
            async with Kernel(server) as kernel:
                return [(await kernel.run(f"print({number} * {turn})"))[1] for turn in range(20)]

        found = await asyncio.gather(*(one(number) for number in range(3)))
        assert found == [[f"{number * turn}\n" for turn in range(20)] for number in range(3)]
        assert await ask(server, "GET", "kernels") == []

    asyncio.run(main())
