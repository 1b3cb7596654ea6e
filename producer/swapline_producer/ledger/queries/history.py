"""The history of an installation: differences of the rows that lua/parts/sample.lua writes each minute."""

from __future__ import annotations

import orjson

from swapline_producer.contract.jobs.history import HistoryPoint, Period, Row, points
from swapline_producer.ledger.scripts import LedgerPart, listed


class History(LedgerPart):
    """What was, in plots' resolution."""

    def read(self, period: Period) -> list[HistoryPoint]:
        """Return a period's points, oldest first; spans without a worker are longer."""
        answer = self._scripts.run("history", seconds=period.step)
        bounds, now = answer["bounds"], Row.of(answer["now"], answer["bounds"])
        rows = [Row.of(orjson.loads(line), bounds) for line in listed(answer["rows"])]
        # Time may have been set back; and a rate over a moment says nothing: the last span is half a step at least.
        rows = [row for row in rows if row.at <= now.at - period.step * 500]
        return points([*rows, now], now.at - period.seconds * 1000)
