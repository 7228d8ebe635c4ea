from typing import Any

from zmq.core.futures.outcome import Outcome, Work
from zmq.core.polling.in_hub import PollSet

class PendingPoll(Work):
    def switch(self) -> None: ...
    def cancel(self) -> None: ...

def begin_poll_of_many(members: PollSet, timeout: float | None, owner: Any) -> Outcome: ...
