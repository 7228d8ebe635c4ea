"""Options as attributes, by way of `get` and `set`, for classes that PyZMQ's users wrote on this base.

Nothing here uses it: `zmq.Socket` and `zmq.Context` have their options as descriptors.
"""

from __future__ import annotations

from enum import IntEnum

from zmq.core import constants

OptValT = str | bytes | int


class AttributeSetter:
    """Get and set options by their names, in any mix of cases."""

    def get(self, option: int) -> object:
        """Return the value of an option; to be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no method get")

    def set(self, option: int, value: object) -> None:
        """Set an option; to be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no method set")

    def __getattr__(self, name: str) -> object:
        return self.get(self._option_named(name))

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__ or hasattr(type(self), name):
            super().__setattr__(name, value)
        else:
            self.set(self._option_named(name), value)

    def _option_named(self, name: str) -> IntEnum:
        option = getattr(constants, name.upper(), None)
        if isinstance(option, constants.SocketOption | constants.ContextOption | constants.MessageOption):
            return option
        raise AttributeError(f"{type(self).__name__} has no such option: {name.upper()}")


__all__ = ["AttributeSetter"]
