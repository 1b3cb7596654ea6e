"""What can go wrong with the parts that we run ourselves.

SwaplineError
└── LocalError          something of ours on this host does not run
    ├── FolderInUse     another server keeps its data in the same folder
    ├── PortTaken       the port that was asked for belongs to somebody else
    └── ChildFailed     a child ended, or was not ready in time; the sentence carries the end of its log
"""

from __future__ import annotations

from swapline_producer.errors import SwaplineError


class LocalError(SwaplineError):
    """Something of ours on this host does not run."""


class FolderInUse(LocalError):  # noqa: N818 -- it names the situation
    """Another server keeps its data in the same folder."""


class PortTaken(LocalError):  # noqa: N818 -- it names the situation
    """The port that was asked for belongs to somebody else."""


class ChildFailed(LocalError):  # noqa: N818 -- it names what happened
    """A child ended by itself, or was not ready in time."""

    has_lines = True  # those of its log
