"""A web service over `zmq.asyncio`, as an application of ASGI and as one of aiohttp; `web_worker.py` answers it."""

from __future__ import annotations

import asyncio
import os

import zmq
import zmq.asyncio

WORKER = os.environ["WORKER"]
NEWS = os.environ["NEWS"]


class Backend:
    """Questions to a worker over one DEALER, each answered by its number; and news from a publisher."""

    async def start(self):
        self.context = zmq.asyncio.Context()
        self.dealer = self.context.socket(zmq.DEALER)
        self.dealer.connect(WORKER)
        self.waiting = {}
        self.numbers = 0
        self.reader = asyncio.create_task(self.read())

    async def stop(self):
        self.reader.cancel()
        await asyncio.gather(self.reader, return_exceptions=True)
        self.context.destroy(linger=0)

    async def read(self):
        while True:
            number, answer = await self.dealer.recv_multipart()
            future = self.waiting.pop(int(number), None)
            if future and not future.done():
                future.set_result(answer)

    async def ask(self, question):
        self.numbers += 1
        number = self.numbers
        self.waiting[number] = asyncio.get_running_loop().create_future()
        await self.dealer.send_multipart([str(number).encode(), question])
        return await self.waiting[number]

    async def ask_alone(self, question):
        """Ask on a socket of its own."""
        with self.context.socket(zmq.DEALER) as socket:
            socket.connect(WORKER)
            await socket.send_multipart([b"0", question])
            _, answer = await asyncio.wait_for(socket.recv_multipart(), 20)
            return answer

    async def nothing(self):
        """Wait for an answer that does not come, as long as the client waits."""
        with self.context.socket(zmq.PULL) as socket:
            socket.bind("tcp://127.0.0.1:*")
            try:
                await asyncio.wait_for(socket.recv(), 0.1)
            except asyncio.TimeoutError:
                return b"timed out"

    async def news(self):
        with self.context.socket(zmq.SUB) as socket:
            socket.subscribe("")
            socket.connect(NEWS)
            while True:
                yield await socket.recv()


backend = Backend()


async def answer_to(path, body):
    if path == "/own":
        return await backend.ask_alone(body)
    if path == "/nothing":
        return await backend.nothing()
    return await backend.ask(body)


async def application(scope, receive, send):
    """Answer requests of an ASGI server."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await (backend.start() if message["type"] == "lifespan.startup" else backend.stop())
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send_start(send)
    if scope["path"] == "/news":
        await stream_news(receive, send)
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.body", "body": await answer_to(scope["path"], body)})


async def send_start(send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})


async def stream_news(receive, send):
    async def left():
        while (await receive())["type"] != "http.disconnect":
            pass

    async def tell():
        async for news in backend.news():
            await send({"type": "http.response.body", "body": news + b"\n", "more_body": True})

    tasks = [asyncio.create_task(left()), asyncio.create_task(tell())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def main():
    """Serve with aiohttp."""
    from aiohttp import web

    async def handle(request):
        return web.Response(body=await answer_to(request.path, await request.read()))

    async def handle_news(request):
        response = web.StreamResponse()
        await response.prepare(request)
        async for news in backend.news():
            await response.write(news + b"\n")

    async def lifetime(application):
        await backend.start()
        yield
        await backend.stop()

    application = web.Application()
    application.router.add_get("/news", handle_news)
    application.router.add_route("*", "/{path:.*}", handle)
    application.cleanup_ctx.append(lifetime)
    web.run_app(application, host="127.0.0.1", port=int(os.environ["PORT"]), shutdown_timeout=2)


if __name__ == "__main__":
    if os.environ.get("LOOP") == "uvloop":
        import uvloop

        uvloop.install()
    main()
