"""What the Lua moves should do with stored inputs: who needs them, when they are deleted. Part of `ledger_model`."""

from __future__ import annotations

from dataclasses import dataclass, field

DIGITS = 3


@dataclass
class Inputs:
    """References to stored inputs, the list of what may be deleted, and the numbers of deletions."""

    ttl_ms: int
    counts: dict[str, int] = field(default_factory=dict)
    """SHA-256 -> jobs and holds that need it."""
    unneeded: dict[str, int] = field(default_factory=dict)
    deleting: dict[str, int] = field(default_factory=dict)
    """SHA-256 -> end of the lease."""
    deletions: dict[str, int] = field(default_factory=dict)
    referring: dict[str, str] = field(default_factory=dict)
    """Job -> the input that it needs."""

    @property
    def last(self) -> int:
        """The number of the last deletion."""
        return self.deletions.get("last", 0)

    def hold(self, sha: str, job_id: str, at: int) -> bool | None:
        """Whether it is there already; None while it is being deleted."""
        lease = self.deleting.get(sha)
        if lease is not None and lease > at:
            return None
        if lease is not None:
            self._end([sha], at)
        hold = f"hold/{sha}/{job_id}"
        if hold in self.unneeded:
            return False
        self.unneeded[hold] = at + self.ttl_ms
        return self._need(sha)

    def refer(self, sha: str, job_id: str, stored_after: int | None) -> bool:
        """Whether an accepted job has its input: by a hold, or because no deletion came after it was stored."""
        if stored_after is None:
            return self.unneeded.pop(f"hold/{sha}/{job_id}", None) is not None
        if sha in self.deleting or self.deletions.get(sha[:DIGITS], 0) > stored_after:
            return False
        self._need(sha)
        return True

    def release(self, sha: str, at: int) -> None:
        """One less needs it."""
        if self.counts[sha] > 1:
            self.counts[sha] -= 1
        else:
            del self.counts[sha]
            self.unneeded[f"inputs/{sha}"] = at

    def leave(self, job_id: str, at: int, *, kept: bool) -> None:
        """A job has ended; `kept`: its input is, for a replay."""
        sha = self.referring.pop(job_id, None)
        if sha is not None and kept:
            self.unneeded[f"hold/{sha}/{job_id}"] = at + self.ttl_ms
        elif sha is not None:
            self.release(sha, at)

    def take(self, limit: int, lease: int, at: int) -> list[str]:
        """The names to be deleted until `lease`."""
        due = sorted(
            (name for name, when in self.unneeded.items() if when <= at), key=lambda name: (self.unneeded[name], name)
        )
        names, due = [], due[:limit]
        for name in due:  # grows
            kind, _, rest = name.partition("/")
            sha = rest.partition("/")[0]
            if name not in self.unneeded:
                continue
            if kind == "hold":
                del self.unneeded[name]
                self.release(sha, at)
                due += [] if sha in self.counts else [f"inputs/{sha}"]
            elif kind == "inputs" and sha in self.counts:
                del self.unneeded[name]
            else:
                self.unneeded[name] = lease
                if kind == "inputs":
                    self.deleting[sha] = lease
                names.append(name)
        return names

    def confirm(self, names: list[str], lease: int, at: int) -> None:
        """These were deleted."""
        for name in names:
            if self.unneeded.get(name) == lease:
                del self.unneeded[name]
        digests = [name.removeprefix("inputs/") for name in names if name.startswith("inputs/")]
        self._end([sha for sha in digests if self.deleting.get(sha) == lease], at)

    def _end(self, digests: list[str], at: int) -> None:
        number = max(self.last + 1, at)
        for sha in digests:
            del self.deleting[sha]
            self.deletions |= {"last": number, sha[:DIGITS]: number}

    def _need(self, sha: str) -> bool:
        self.counts[sha] = self.counts.get(sha, 0) + 1
        return self.counts[sha] > 1 or self.unneeded.pop(f"inputs/{sha}", None) is not None
