"""Errors of the parts that Swapline runs itself on this host.

SwaplineError
└── LocalError          a local part does not run
    ├── FolderInUse     another server uses the folder
    ├── PortTaken       another program listens on the port that was asked for
    └── ChildFailed     a child ended, or was not ready in time; the message has the end of its log
        └── DataDamaged the embedded server cannot read its data
"""

from __future__ import annotations

from swapline_producer.errors import SwaplineError


class LocalError(SwaplineError):
    """A local part does not run."""


class FolderInUse(LocalError):  # noqa: N818 -- it names the situation
    """Another server uses the folder."""


class PortTaken(LocalError):  # noqa: N818 -- it names the situation
    """Another program listens on that port."""


class ChildFailed(LocalError):  # noqa: N818 -- it names what happened
    """A child ended, or was not ready in time."""

    has_lines = True  # those of its log


class DataDamaged(ChildFailed):
    """As after a power cut."""

    has_lines = False
