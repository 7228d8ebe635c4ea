"""What goes wrong with tunnels."""

from __future__ import annotations


class SSHException(Exception):
    """A tunnel could not be opened; the message has what ssh said."""


class MaxRetryExceeded(SSHException):
    """Every port that was tried had been taken by somebody else meanwhile."""
