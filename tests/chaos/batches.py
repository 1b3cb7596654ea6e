"""Producers of batches: `swapline batch run` of a manifest, killed on the way and started again until it has ended."""

from __future__ import annotations

import csv
import hashlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import redis

from chaos.environment import PREFIX, now
from chaos.load import WITHOUT_WEBHOOK, photograph
from chaos.plan import Deed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chaos.environment import Stage

LINES = 24
FIRST_PHOTOGRAPH = 2_000_000
"""Photographs of no other load have such numbers."""
CHECK_INTERVAL_S = 0.002
LONGEST_RUN_S = 60.0
"""Seconds until a process that was to be killed on its way is killed wherever it is."""
RESTART_S = 1.0
"""As a person or a script would, who sees that it has not ended well."""


class BatchProducer(threading.Thread):
    """One batch, from its first process to the one that has accepted its last line."""

    def __init__(self, stage: Stage, number: int, shares: Sequence[float]) -> None:
        """`shares` of the lines that are accepted when its processes are killed, one after the other."""
        super().__init__(name=f"batch {number}", daemon=True)
        self._stage, self._number, self._shares = stage, number, shares
        self._name, self._tenant = f"batch-{number}", f"tenant-{number % 3}"
        self._record = stage.record("acts")
        self.errors: list[BaseException] = []
        manifest = self._write_manifest()
        self._child = stage.batch(manifest, self._name)

    @property
    def key(self) -> str:
        """Where the ids of the batch's jobs are."""
        return f"{PREFIX}:batch:{self._tenant}:{self._name}"

    def run(self) -> None:
        try:
            for share in self._shares:
                if not self._killed_at(round(share * LINES)):
                    return
                time.sleep(RESTART_S)
            while not self._ended():
                time.sleep(RESTART_S)
        except BaseException as error:
            self.errors.append(error)
            raise

    def accepted(self) -> list[str]:
        """Ids of its jobs, by the ledger."""
        jobs: Any = self._stage.client.zrange(self.key, 0, -1)
        return list(jobs)

    def _killed_at(self, lines: int) -> bool:
        """Start it, and kill it when this number of lines is accepted; return whether that came before its end."""
        self._child.launch()
        give_up_at = time.monotonic() + LONGEST_RUN_S
        while self._child.poll() is None and self._size() < lines and time.monotonic() < give_up_at:
            time.sleep(CHECK_INTERVAL_S)
        if (code := self._child.poll()) is not None:
            return not self._judge(code)
        self._child.kill()
        self._record({"at": now(), "deed": Deed.KILL_BATCH, "batch": self._name, "lines": self._size()})
        return True

    def _ended(self) -> bool:
        """Run it once to its end; return whether it has accepted every line."""
        self._child.launch()
        while (code := self._child.poll()) is None:
            time.sleep(0.05)
        return self._judge(code)

    def _judge(self, code: int) -> bool:
        """Have its end written down: what it says, or that it has to be started again."""
        output = self._child.log_tail()
        counts = json.loads(output[output.index("{") :]) if code == 0 else {}
        fact = {"deed": "batch producer ended", "batch": self._name, "code": code, "said": "" if counts else output}
        self._record({"at": now(), **fact, "accepted": counts.get("enqueued", 0) + counts.get("known", 0)})
        return code == 0

    def _size(self) -> int:
        try:
            size: Any = self._stage.client.zcard(self.key)
        except redis.exceptions.RedisError:  # it is being killed as well
            return -1
        return int(size)

    def _write_manifest(self) -> Path:
        folder = self._stage.folder / self._name
        folder.mkdir()
        record = self._stage.record("lines")
        with (folder / f"{self._name}.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["image", "gender", "filter_id", "ratio", "tenant", "run_timeout", "webhook_url"])
            for row in range(1, LINES + 1):
                image = photograph(self._stage.setup.seed, FIRST_PHOTOGRAPH + self._number * LINES + row)
                (folder / f"{row}.png").write_bytes(image)
                hook = self._stage.hook if row % WITHOUT_WEBHOOK else ""
                timeout = self._stage.setup.run_timeout
                out.writerow([f"{row}.png", row % 2, row, "square", self._tenant, timeout, hook])
                sha256 = hashlib.sha256(image).hexdigest()
                line = {"batch": self._name, "tenant": self._tenant, "row": row, "image": sha256}
                record({**line, "webhook": bool(hook)})
        return folder / f"{self._name}.csv"
