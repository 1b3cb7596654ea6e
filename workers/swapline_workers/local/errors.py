"""Errors of the parts that Swapline runs itself on this host.

SwaplineError
└── LocalError
    ├── FolderInUse
    ├── PortTaken
    └── ChildFailed
        └── DataDamaged
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
    """A child ended, or was not ready in time; the message has the end of its log."""

    has_lines = True  # those of its log


class DataDamaged(ChildFailed):
    """The embedded server cannot read its data, as after a power cut."""

    has_lines = False
