"""A Jupyter kernel, driven by jupyter_client."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest
from jupyter_client import AsyncKernelManager, KernelManager, MultiKernelManager

from support import until

LIMIT = 40


class Kernel:
    """A kernel with a client that is connected to it."""

    def __init__(self, **settings):
        self.manager = KernelManager(kernel_name="python3", **settings)
        # A kernel that thinks it is tested by pytest does not capture what its children print.
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        self.manager.start_kernel(env=variables)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=LIMIT)
        except BaseException:
            self.end()
            raise

    def run(self, code, **options):
        """Execute code. Return the reply's content, and the messages that were published meanwhile."""
        messages = []
        options.setdefault("timeout", LIMIT)
        reply = self.client.execute_interactive(code, output_hook=messages.append, **options)
        return reply["content"], messages

    def printed(self, code, **options):
        reply, messages = self.run(code, **options)
        assert reply["status"] == "ok", reply
        return "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")

    def value(self, expression):
        reply, _ = self.run("", user_expressions={"value": expression})
        return reply["user_expressions"]["value"]["data"]["text/plain"]

    def reply(self, id):
        while True:
            reply = self.client.get_shell_msg(timeout=LIMIT)
            if reply["parent_header"]["msg_id"] == id:
                return reply["content"]

    def end(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture(scope="module")
def shared():
    kernel = Kernel()
    yield kernel
    kernel.end()


@pytest.fixture
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.end()


def of_type(messages, kind):
    return [message["content"] for message in messages if message["msg_type"] == kind]


def test_becomes_ready(shared):
    assert shared.manager.is_alive()


def test_execute(shared):
    reply, messages = shared.run("6 * 7")
    assert reply["status"] == "ok"
    (result,) = of_type(messages, "execute_result")
    assert result["data"]["text/plain"] == "42"


def test_standard_output_and_error(shared):
    _, messages = shared.run("import sys; print('out'); print('err', file=sys.stderr)")
    texts = {content["name"]: content["text"] for content in of_type(messages, "stream")}
    assert texts == {"stdout": "out\n", "stderr": "err\n"}


def test_exception(shared):
    reply, messages = shared.run("1 / 0")
    assert reply["status"] == "error"
    assert of_type(messages, "error")[0]["ename"] == "ZeroDivisionError"


def test_user_expressions(shared):
    assert shared.value("2 ** 10") == "1024"


def test_display(shared):
    code = "from IPython.display import display, HTML; display(HTML('<b>bold</b>'))"
    assert of_type(shared.run(code)[1], "display_data")[0]["data"]["text/html"] == "<b>bold</b>"


def test_display_updated(shared):
    _, messages = shared.run("handle = display('first', display_id=True); handle.update('second')")
    assert of_type(messages, "display_data")[0]["data"]["text/plain"] == "'first'"
    assert of_type(messages, "update_display_data")[0]["data"]["text/plain"] == "'second'"


def test_output_cleared(shared):
    _, messages = shared.run("from IPython.display import clear_output; clear_output(); print('after')")
    assert of_type(messages, "clear_output") == [{"wait": False}]


def test_large_output(shared):
    assert shared.printed("print('x' * 5_000_000)") == "x" * 5_000_000 + "\n"


def test_many_lines(shared):
    assert shared.printed("for i in range(3000): print(i, flush=True)").split() == [str(i) for i in range(3000)]


def test_output_of_threads(shared):
    code = """
import threading
threads = [threading.Thread(target=print, args=(f"thread {i}",)) for i in range(10)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    text = shared.printed(code)
    assert all(f"thread {i}" in text for i in range(10))


def test_output_of_a_child(shared):
    """It comes through a pipe, perhaps after the cell has ended."""
    shared.client.execute("import subprocess; subprocess.run('echo from a child', shell=True);")
    while "from a child" not in shared.client.get_iopub_msg(timeout=LIMIT)["content"].get("text", ""):
        pass


def test_output_of_a_fork(shared):
    code = """
import os
pid = os.fork()
if not pid:
    print("in the fork", flush=True)
    os._exit(0)
os.waitpid(pid, 0);
"""
    assert "in the fork" in shared.printed(code)


def test_shell_magic(shared):
    assert "magic" in shared.printed("!echo magic")


def test_await(shared):
    assert shared.printed("import asyncio; print(await asyncio.sleep(0.05, 'awaited'))") == "awaited\n"


def test_background_task(shared):
    """A task goes on after its cell has ended."""
    shared.run("""
done = []
async def later():
    for i in range(3):
        await asyncio.sleep(0.02)
        done.append(i)
task = asyncio.create_task(later())
""")
    until(lambda: shared.value("done") == "[0, 1, 2]", "the task")


def test_completion(shared):
    content = shared.reply(shared.client.complete("import o", 8))
    assert content["status"] == "ok" and "os" in content["matches"]


def test_inspection(shared):
    content = shared.reply(shared.client.inspect("len", 3))
    assert content["found"] and "len" in content["data"]["text/plain"]


def test_completeness(shared):
    assert shared.reply(shared.client.is_complete("for i in x:"))["status"] == "incomplete"
    assert shared.reply(shared.client.is_complete("1"))["status"] == "complete"


def test_history(shared):
    shared.run("'remembered'", store_history=True)
    content = shared.reply(shared.client.history(hist_access_type="tail", n=5))
    assert any("remembered" in line[2] for line in content["history"])


def test_kernel_info(shared):
    content = shared.reply(shared.client.kernel_info())
    assert content["implementation"] == "ipython"


def test_comm_info(shared):
    assert shared.reply(shared.client.comm_info())["comms"] == {}


def test_comm(shared):
    """A comm that the client opens, and what the kernel answers on it."""
    shared.run("""
def opened(comm, message):
    comm.on_msg(lambda message: comm.send({"echo": message["content"]["data"]}))
get_ipython().kernel.comm_manager.register_target("echo", opened)
""")
    client = shared.client
    content = {"comm_id": "one", "target_name": "echo", "data": {}}
    client.shell_channel.send(client.session.msg("comm_open", content))
    client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": "one", "data": "hello"}))
    while True:
        message = client.get_iopub_msg(timeout=LIMIT)
        if message["msg_type"] == "comm_msg":
            break
    assert message["content"]["data"] == {"echo": "hello"}


def test_standard_input(shared):
    def answer(message):
        assert message["content"]["prompt"] == "name? "
        shared.client.input("somebody")

    assert "hello somebody" in shared.printed("print('hello', input('name? '))", allow_stdin=True, stdin_hook=answer)


def test_password(shared):
    def answer(message):
        assert message["content"]["password"]
        shared.client.input("secret")

    code = "import getpass; print(getpass.getpass()[::-1])"
    assert "terces" in shared.printed(code, allow_stdin=True, stdin_hook=answer)


def test_standard_input_refused(shared):
    reply, _ = shared.run("input()", allow_stdin=False)
    assert reply["ename"] == "StdinNotImplementedError"


def test_queued_requests(shared):
    """Requests that arrive while one is executed are executed afterwards, in their order."""
    shared.run("order = []")
    ids = [shared.client.execute(f"import time; time.sleep(0.05); order.append({i})") for i in range(5)]
    for id in ids:
        assert shared.reply(id)["status"] == "ok"
    assert shared.value("order") == "[0, 1, 2, 3, 4]"


def test_aborted_requests(shared):
    """What is queued behind an error is given up."""
    first = shared.client.execute("import time; time.sleep(0.3); 1 / 0")
    second = shared.client.execute("2")
    assert shared.reply(first)["status"] == "error"
    assert shared.reply(second)["status"] == "aborted"
    time.sleep(0.5)  # until which requests are given up


def test_heartbeat(shared):
    shared.client.hb_channel.unpause()
    time.sleep(1.5)
    assert shared.client.is_alive()


def test_control_while_busy(shared):
    """The control channel is answered while a cell runs."""
    id = shared.client.execute("import time; time.sleep(2)")
    begun = time.monotonic()
    request = shared.client.session.msg("kernel_info_request")
    shared.client.control_channel.send(request)
    while shared.client.get_control_msg(timeout=LIMIT)["parent_header"]["msg_id"] != request["header"]["msg_id"]:
        pass
    assert time.monotonic() - begun < 1.5
    shared.reply(id)


def test_subshell(shared):
    """A subshell executes a request while the main one is busy."""
    client = shared.client
    client.control_channel.send(client.session.msg("create_subshell_request"))
    while (message := client.get_control_msg(timeout=LIMIT))["msg_type"] != "create_subshell_reply":
        pass
    busy = client.execute("import time; time.sleep(2)")
    request = client.session.msg("execute_request", {"code": "in_subshell = 1", "silent": False})
    request["header"]["subshell_id"] = message["content"]["subshell_id"]
    begun = time.monotonic()
    client.shell_channel.send(request)
    assert shared.reply(request["header"]["msg_id"])["status"] == "ok"
    assert time.monotonic() - begun < 1.5
    assert shared.reply(busy)["status"] == "ok"


def test_debugger(shared):
    client = shared.client
    content = {"type": "request", "command": "initialize", "seq": 1, "arguments": {"clientID": "check"}}
    client.control_channel.send(client.session.msg("debug_request", content))
    while (message := client.get_control_msg(timeout=LIMIT))["msg_type"] != "debug_reply":
        pass
    assert message["content"]["success"]


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(60)",
        "while True: pass",
        "import zmq; c = zmq.Context(); s = c.socket(zmq.PULL); s.recv()",
        "input()",
    ],
    ids=["sleep", "loop", "recv", "input"],
)
def test_interrupt(kernel, code):
    id = kernel.client.execute(code, allow_stdin=True)
    while kernel.client.get_iopub_msg(timeout=LIMIT)["msg_type"] != "execute_input":
        pass
    if code == "input()":
        assert kernel.client.get_stdin_msg(timeout=LIMIT)["msg_type"] == "input_request"
    time.sleep(0.3)
    kernel.manager.interrupt_kernel()
    assert kernel.reply(id)["ename"] == "KeyboardInterrupt"
    assert kernel.value("1 + 1") == "2"


def test_sockets_in_a_cell(shared):
    code = """
import zmq
with zmq.Context() as context, context.socket(zmq.REQ) as a, context.socket(zmq.REP) as b:
    port = b.bind_to_random_port("tcp://127.0.0.1")
    a.connect(f"tcp://127.0.0.1:{port}")
    a.send(b"question"); b.recv(); b.send(b"answer"); print(a.recv().decode())
"""
    assert shared.printed(code) == "answer\n"


def test_asyncio_sockets_in_a_cell(shared):
    """They share the loop with the kernel itself."""
    code = """
import zmq.asyncio
context = zmq.asyncio.Context()
a, b = context.socket(zmq.REQ), context.socket(zmq.REP)
port = b.bind_to_random_port("tcp://127.0.0.1")
a.connect(f"tcp://127.0.0.1:{port}")
async def serve():
    for _ in range(50): await b.send(await b.recv())
task = asyncio.create_task(serve())
for i in range(50):
    await a.send_string(str(i)); last = await a.recv_string()
await task
context.destroy(linger=0)
print(last)
"""
    assert shared.printed("import asyncio\n" + code) == "49\n"


def test_restart(kernel):
    kernel.run("state = 1")
    before = kernel.value("__import__('os').getpid()")
    kernel.manager.restart_kernel()
    kernel.client.wait_for_ready(timeout=LIMIT)
    assert kernel.value("'state' in globals()") == "False"
    assert kernel.value("__import__('os').getpid()") != before


def test_restart_while_busy(kernel):
    kernel.client.execute("import time; time.sleep(60)")
    time.sleep(0.3)
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=LIMIT)
    assert kernel.value("1") == "1"


def test_shutdown(kernel):
    """A kernel that is asked to ends by itself, with status 0."""
    process = kernel.manager.provisioner.process
    kernel.client.shutdown()
    assert process.wait(LIMIT) == 0
    assert not kernel.manager.is_alive()


def test_shutdown_by_its_manager(kernel):
    kernel.manager.shutdown_kernel()
    assert not kernel.manager.is_alive()


def test_exit_in_a_cell(kernel):
    kernel.run("exit()")
    until(lambda: not kernel.manager.is_alive(), "the kernel's end", LIMIT)


def test_ended_by_a_signal(kernel):
    os.kill(int(kernel.value("__import__('os').getpid()")), signal.SIGTERM)
    until(lambda: not kernel.manager.is_alive(), "the kernel's end", LIMIT)


def test_asynchronous_client():
    async def main():
        manager = AsyncKernelManager(kernel_name="python3")
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=LIMIT)
            messages = []
            reply = await client.execute_interactive("print(6 * 7)", timeout=LIMIT, output_hook=messages.append)
            assert reply["content"]["status"] == "ok"
            assert "42\n" in [content["text"] for content in of_type(messages, "stream")]
            await manager.restart_kernel()
            await client.wait_for_ready(timeout=LIMIT)
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)

    asyncio.run(main())


def test_asynchronous_clients_in_many_loops():
    """Each loop is one of its own, in a thread of its own."""
    failed = []

    def run():
        try:
            test_asynchronous_client()
        except BaseException as error:
            failed.append(error)

    for _ in range(2):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert not failed, failed


def test_threaded_client(shared):
    """The client that runs its channels in a thread, as the Qt console does."""
    from jupyter_client.threaded import ThreadedKernelClient

    client = ThreadedKernelClient(**shared.manager.get_connection_info(session=True))
    received = []
    client.start_channels()
    client.shell_channel.call_handlers = received.append
    client.iopub_channel.call_handlers = lambda message: None
    client.execute("1")
    until(lambda: any(m["msg_type"] == "execute_reply" for m in received), "the reply", LIMIT)
    client.stop_channels()


def test_several_kernels():
    manager = MultiKernelManager()
    ids = [manager.start_kernel(kernel_name="python3") for _ in range(2)]
    try:
        for id in ids:
            client = manager.get_kernel(id).client()
            client.start_channels()
            client.wait_for_ready(timeout=LIMIT)
            client.stop_channels()
    finally:
        manager.shutdown_all(now=True)
    assert not manager.list_kernel_ids()


def test_ipc():
    kernel = Kernel(transport="ipc")
    try:
        assert kernel.value("1 + 1") == "2"
    finally:
        kernel.end()


def test_encryption():
    """All sockets use CURVE, with keys that the manager makes."""
    kernel = Kernel(transport_encryption="required")
    try:
        assert kernel.value("1 + 1") == "2"
        assert kernel.client.get_connection_info().get("curve_publickey")
    finally:
        kernel.end()
