"""The checker notices each thing that must not be: a clean run, with one fact of it changed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from chaos.checker import Verdict, check
from swapline_producer.webhooks.signing import sign

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBjaGVja2VyJ3MgdGVzdHMu"
PICTURE = b"what the vendor sent"
IMAGE = "ab" * 32
EVENTS = [(1000, "queued"), (1010, "slot"), (1020, "attempt"), (1500, "submitted"), (2000, "succeeded")]


class Story:
    """One job that went well, as evidence; a test changes what it is about."""

    def __init__(self) -> None:
        self.accepted: list[dict[str, Any]] = [{"job": "j1", "image": IMAGE, "webhook": True}]
        self.acts: list[dict[str, Any]] = []
        self.moves: list[dict[str, Any]] = []
        self.vendor: dict[str, Any] = {
            "images": {IMAGE: {"accepted": 1, "credits": 2, "jobs": ["v1"]}},
            "accepted": 1,
            "max_in_flight": 1,
            "over_cap": 0,
            "polls": 3,
        }
        self.pictures = {"v1": hashlib.sha256(PICTURE).hexdigest()}
        self.events = list(EVENTS)
        self.job = {"state": "SUCCEEDED", "created_at": "1000", "finished_at": "2000", "credits": "2", "slot": "0"}
        self.job["notification"] = "DELIVERED"
        self.due: dict[str, int] = {}
        self.slots: dict[str, int] = {}
        self.counters = {"accepted": 1, "finished.SUCCEEDED": 1, "credits": 2, "attempts": 1, "submitted": 1}
        self.meter = {"polls_begun": 3}
        self.stored = {"results/t/2026/01/01/j1/0.png": PICTURE}
        self.deliveries = [delivery("msg_1")]

    def held(self) -> None:
        """Have it held instead: the reply to its paid call is unknown."""
        self.job |= {"state": "HELD", "credits": "0"}
        self.events[3:] = [(1600, "held")]
        self.due = {"j1": 9000}
        self.counters = {"accepted": 1, "attempts": 1, "held": 1}
        self.meter |= {"call:unknown": 1}
        self.stored = {}
        self.deliveries = [delivery("msg_1", "swap.held")]

    def verdict_in(self, folder: Path) -> Verdict:
        """Write it down as a run does, and have it judged."""
        ledger: dict[str, Any] = {
            "chaos:job:j1": self.job,
            "chaos:log:j1": [json.dumps({"at": at, "name": name, "data": {}}) for at, name in self.events],
            "chaos:due": self.due,
            "chaos:slots": self.slots,
            f"chaos:state:{self.job['state']}": {"j1": 1},
            "chaos:count": {name: str(number) for name, number in self.counters.items()},
            "chaos:meter": {name: str(number) for name, number in self.meter.items()},
        }
        for name, whole in {"vendor": self.vendor, "pictures": self.pictures, "ledger": ledger}.items():
            (folder / f"{name}.json").write_text(json.dumps(whole))
        lines = {"accepted": self.accepted, "acts": self.acts, "moves": self.moves, "deliveries": self.deliveries}
        for name, facts in lines.items():
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts))
        for key, data in self.stored.items():
            (folder / "store" / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / "store" / key).write_bytes(data)
        return check(folder, secret=SECRET)


def delivery(webhook_id: str, event: str = "swap.succeeded", secret: str = SECRET) -> dict[str, Any]:
    body = json.dumps({"type": event, "data": {"job_id": "j1"}})
    return {"body": body, "headers": sign(body.encode(), webhook_id, 1000, secret)}


def kill(at: int, *in_hand: list[str]) -> dict[str, Any]:
    return {"deed": "kill a worker", "kill": 1, "workers": [0], "ledger_at": at, "in_hand": list(in_hand)}


CHANGES: dict[str, tuple[str, Callable[[Story], object]]] = {
    "a job that never ended": ("lost", lambda story: story.job.update(state="RUNNING")),
    "a job that failed": ("lost", lambda story: story.job.update(state="FAILED")),
    "a job that is not there": ("lost", lambda story: story.accepted.append({**story.accepted[0], "job": "j2"})),
    "two charges for one picture": ("paid twice", lambda story: story.vendor["images"][IMAGE].update(accepted=2)),
    "another picture than was sent": ("picture wrong", lambda story: story.pictures.update(v1="00")),
    "no picture": ("picture wrong", lambda story: story.stored.clear()),
    "a picture of no job": ("picture orphaned", lambda story: story.stored.update({"results/t/j9/0.png": b"?"})),
    "a webhook that was not delivered": ("webhook lost", lambda story: story.deliveries.clear()),
    "a webhook that reported something else": (
        "webhook lost",
        lambda story: story.deliveries.__setitem__(0, delivery("msg_1", "swap.failed")),
    ),
    "a second id": ("webhook id changed", lambda story: story.deliveries.append(delivery("msg_2"))),
    "another's signature": (
        "webhook badly signed",
        lambda story: story.deliveries.append(delivery("msg_1", secret="whsec_" + "A" * 40)),
    ),
    "an entry in due too many": ("redis", lambda story: story.due.update(j1=1)),
    "a webhook that waits and is not due": ("redis", lambda story: story.job.update(notification="PENDING")),
    "a slot that leaked": ("redis", lambda story: story.slots.update(j1=1)),
    "a counter that is wrong": ("redis", lambda story: story.counters.update(submitted=2)),
    "a job that waits in the metrics only": ("redis", lambda story: story.meter.update({"waiting:low": 1})),
    "a paid call counted twice": ("redis", lambda story: story.meter.update({"call:refused": 1})),
    "a poll that was not counted": ("redis", lambda story: story.vendor.update(polls=4)),
    "a version that shrank": (
        "redis",
        lambda story: story.moves.append({"job": "j1", "what": "its version has shrunk"}),
    ),
    "a worker that ended by itself": (
        "worker ended by itself",
        lambda story: story.acts.append({"deed": "worker ended by itself", "worker": 0, "code": 1}),
    ),
}


def test_a_run_that_went_well_is_clean(tmp_path: Path) -> None:
    verdict = Story().verdict_in(tmp_path)
    assert (verdict.clean, verdict.lives) == (True, [1.0])


@pytest.mark.parametrize("what", CHANGES)
def test_what_must_not_be_is_found(tmp_path: Path, what: str) -> None:
    kind, change = CHANGES[what]
    story = Story()
    change(story)
    verdict = story.verdict_in(tmp_path)
    assert verdict.number(kind) >= 1, verdict.wrong


def test_a_webhook_that_comes_again_under_its_id_is_counted_and_forgiven(tmp_path: Path) -> None:
    story = Story()
    story.deliveries.append(delivery("msg_1"))
    verdict = story.verdict_in(tmp_path)
    assert (verdict.clean, verdict.counts["webhooks repeated (same id)"]) == (True, 1)


@pytest.mark.parametrize(
    ("acts", "without_need"),
    [
        ([kill(1300, ["j1", "submit"])], 0),
        ([kill(1300, ["j2", "submit"])], 1),
        ([kill(900, ["j1", "submit"])], 1),
        ([], 1),
    ],
    ids=["killed in between", "killed with another job", "killed before", "never killed"],
)
def test_a_job_is_held_only_where_a_kill_fell_between_sending_and_the_reply(
    tmp_path: Path, acts: list[dict[str, Any]], without_need: int
) -> None:
    story = Story()
    story.held()
    story.acts = acts
    verdict = story.verdict_in(tmp_path)
    assert verdict.number("held without need") == without_need, verdict.wrong
    assert verdict.clean is (without_need == 0), verdict.wrong
