from asyncio import Future
from types import TracebackType
from typing import Any, NoReturn, final

class Work: ...

@final
class UnseenError: ...

@final
class Outcome(Future[Any]):
    def check_pending(self) -> None: ...
    def switch(self) -> None: ...
    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> NoReturn: ...

def announce(outcome: Outcome) -> None: ...
