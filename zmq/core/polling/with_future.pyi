from collections.abc import Callable
from typing import Any

from zmq.core.polling.in_hub import PollSet
from zmq.core.waiting.hub import Hub

class PendingPoll:
    future: Any
    def switch(self) -> None: ...
    def forget(self, future: Any) -> None: ...

def begin_poll_of_many(members: PollSet, get_hub: Callable[[], Hub], timeout: float | None, future: Any) -> None: ...
