"""parsl: an interchange, managers and workers in processes of their own, with and without CURVE."""

from __future__ import annotations

import os
import signal
import threading
import time

import parsl
import psutil
import pytest
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.providers import LocalProvider

from support import HERE, until

LIMIT = 60


@parsl.python_app
def square(number):
    return number * number


@parsl.python_app
def total(inputs=()):
    return sum(inputs)


@parsl.python_app
def length(data):
    return len(data)


@parsl.python_app
def fail(text):
    raise ValueError(text)


@parsl.python_app
def exit_at_once():
    import os

    os._exit(1)


@parsl.python_app
def own_process():
    import os

    return os.getpid()


@parsl.python_app
def sleep(seconds):
    import time

    time.sleep(seconds)


@parsl.bash_app
def shell(word, stdout=parsl.AUTO_LOGNAME):
    return f"echo {word}"


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "curve"])
def executor(request, tmp_path_factory):
    executor = HighThroughputExecutor(
        label="local",
        address="127.0.0.1",
        loopback_address="127.0.0.1",
        encrypted=request.param,
        max_workers_per_node=2,
        heartbeat_period=1,
        heartbeat_threshold=4,
        # A block that fails is replaced.
        block_error_handler=False,
        # Workers import the functions from here.
        provider=LocalProvider(max_blocks=1, worker_init=f"export PYTHONPATH={HERE}"),
    )
    before = set(threading.enumerate())
    run_dir = str(tmp_path_factory.mktemp("runs"))
    with parsl.load(Config(executors=[executor], run_dir=run_dir, strategy="simple", strategy_period=0.2)):
        yield executor
        children = psutil.Process().children(recursive=True)
    assert psutil.wait_procs(children, 10)[1] == []
    until(lambda: set(threading.enumerate()) <= before, "the end of its threads")


def test_calls(executor):
    assert [call.result(LIMIT) for call in [square(number) for number in range(200)]] == [n * n for n in range(200)]


def test_calls_of_calls(executor):
    assert total(inputs=[square(number) for number in range(20)]).result(LIMIT) == 2470


def test_large_arguments(executor):
    assert length(bytes(5_000_000)).result(LIMIT) == 5_000_000


def test_exception(executor):
    with pytest.raises(ValueError, match="on purpose"):
        fail("on purpose").result(LIMIT)


def test_shell(executor):
    call = shell("heard")
    assert call.result(LIMIT) == 0
    with open(call.stdout) as file:
        assert file.read() == "heard\n"


def test_workers_that_end(executor):
    with pytest.raises(WorkerLost):
        exit_at_once().result(LIMIT)
    assert square(4).result(LIMIT) == 16


def test_commands_of_the_interchange(executor):
    (manager,) = executor.connected_managers()
    assert manager["active"] and manager["worker_count"] == 2
    assert executor.connected_blocks() == ["0"] and executor.outstanding() == 0


def test_a_manager_that_is_killed(executor):
    worker = psutil.Process(own_process().result(LIMIT))
    (manager,) = executor.connected_managers()
    call = sleep(LIMIT)
    until(lambda: [each["tasks"] for each in executor.connected_managers()] == [1], "the call")
    manager_process = next(each for each in worker.parents() if "process_worker_pool" in " ".join(each.cmdline()))
    begun = time.monotonic()
    os.kill(manager_process.pid, signal.SIGKILL)
    with pytest.raises(ManagerLost):
        call.result(LIMIT)
    assert time.monotonic() - begun < LIMIT / 2
    # Another block takes its place.
    assert square(5).result(LIMIT) == 25
    assert manager["manager"] not in {each["manager"] for each in executor.connected_managers() if each["active"]}
