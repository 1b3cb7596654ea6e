"""What the checker says of kills: workers end by nothing else, and the jobs in their hands move again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from chaos.plan import Deed

if TYPE_CHECKING:
    from chaos.evidence import Evidence, Verdict


def workers(evidence: Evidence, verdict: Verdict) -> None:
    deeds = Counter(act["deed"] for act in evidence.acts)
    verdict.counts["kills of the gateway"] = deeds[Deed.KILL_GATEWAY]
    verdict.counts["kills"] = sum("kill" in act for act in evidence.acts)
    verdict.counts |= {f"... {deed}": number for deed, number in sorted(deeds.items()) if deed != "redis is back"}
    for act in evidence.acts:
        if act["deed"] == "worker ended by itself":
            verdict.wrong["worker ended by itself"].append(f"worker {act['worker']} with code {act['code']}")


def recovered(evidence: Evidence, verdict: Verdict) -> None:
    """How long the jobs in a killed worker's hands stood still."""
    moves = [move for move in evidence.lines("moves") if "killed_at" in move]
    verdict.recovery, verdict.moved = (
        sorted((move["at"] - move["killed_at"]) / 1000 for move in moves if move["what"] == what)
        for what in ("taken up", "moved")
    )
    alone = {act["kill"] for act in evidence.acts if "kill" in act and act["deed"] != Deed.KILL}
    outages = [
        (act["at"], act["at"] + act.get("seconds", 0) * 1000) for act in evidence.acts if act["deed"] == Deed.KILL_REDIS
    ]
    verdict.rescued = [
        (move["at"] - move["killed_at"]) / 1000
        for move in moves
        if move["what"] == "taken up" and move.get("kill") not in alone
        if not any(began <= move["at"] and move["killed_at"] <= over for began, over in outages)
    ]
    for what in ("moved", "killed again"):
        verdict.counts[f"jobs in a killed worker's hands: {what}"] = sum(move["what"] == what for move in moves)
    for move in moves:
        if move["what"] == "never moved":
            verdict.wrong["never moved"].append(f"{move['job']} after kill {move['kill']}")


KILLS = (workers, recovered)
