"""The checker notices each thing that must not be: a clean run, with one fact of it changed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from chaos.checker import check
from swapline_producer.webhooks.signing import sign

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chaos.evidence import Verdict

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBjaGVja2VyJ3MgdGVzdHMu"
PICTURE = b"what the vendor sent"
IMAGE = "ab" * 32
NOON = 43_200_000
"""Milliseconds since the epoch: far from midnight."""
EVENTS = [(1000, "queued"), (1010, "slot"), (1020, "attempt"), (1500, "submitted"), (2000, "succeeded")]


class Story:
    """One job that went well, as evidence; a test changes what it is about."""

    def __init__(self) -> None:
        self.accepted: list[dict[str, Any]] = [{"job": "j1", "image": IMAGE, "webhook": True}]
        self.acts: list[dict[str, Any]] = []
        self.moves: list[dict[str, Any]] = []
        self.vendor = report("v1")
        self.others: dict[str, dict[str, Any]] = {}
        self.spent = {"all": "2", "tenant:t": "2"}
        self.lines: list[dict[str, Any]] = []
        self.further: dict[str, Any] = {}
        self.pictures = {"v1": hashlib.sha256(PICTURE).hexdigest()}
        self.events = list(EVENTS)
        self.job = {"state": "SUCCEEDED", "created_at": "1000", "finished_at": "2000", "credits": "2", "slot": "0"}
        self.job |= {"notification": "DELIVERED", "vendor_job_id": "v1", "spent_on": "0", "tenant": "t"}
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
        del self.job["vendor_job_id"]

    def of_account(self, name: str, **more: Any) -> None:
        """Have it run by one of several accounts; `more` is added to the attributes of these names."""
        self.job["account"] = name
        self.spent |= {f"account:{name}": "2", f"account:{name}:tenant:t": "2"}
        for attribute, value in more.items():
            added = [*getattr(self, attribute), *value] if isinstance(value, list) else getattr(self, attribute) | value
            setattr(self, attribute, added)

    def of_batch(self, *, rows: int = 1, jobs: int = 1, known: int = 1, output: str = "") -> None:
        """Have it enqueued by the producer of a batch: lines, jobs of the first one, and what the producer printed."""
        self.accepted.clear()
        line = {"batch": "b", "tenant": "t", "image": IMAGE, "webhook": True}
        self.lines = [{**line, "row": row} for row in range(1, rows + 1)]
        self.job["idempotency_key"] = "batch:b:1"
        self.further = {"key:t:batch:b:1": "fingerprint j1"} | {f"job:j{one}": self.job for one in range(2, jobs + 1)}
        end = {"deed": "batch producer ended", "batch": "b", "code": 0, "said": output, "accepted": known}
        self.acts = [end]

    @property
    def suffix(self) -> str:
        return f":{self.job['account']}" if "account" in self.job else ""

    def event(self, at: int, name: str) -> dict[str, Any]:
        data = {"account": self.job["account"]} if name == "slot" and "account" in self.job else {}
        return {"at": at, "name": name, "data": data}

    def verdict_in(self, folder: Path) -> Verdict:
        """Write it down as a run does, and have it judged."""
        ledger: dict[str, Any] = {
            "chaos:job:j1": self.job,
            "chaos:log:j1": [json.dumps(self.event(at, name)) for at, name in self.events],
            "chaos:due": self.due,
            f"chaos:slots{self.suffix}": self.slots,
            f"chaos:state:{self.job['state']}": {"j1": 1},
            "chaos:count": {name: str(number) for name, number in self.counters.items()},
            "chaos:meter": {name: str(number) for name, number in self.meter.items()},
            "chaos:spent:0": self.spent,
        }
        ledger |= {f"chaos:{name}": value for name, value in self.further.items()}
        vendor = {self.job.get("account", "default"): self.vendor, **self.others}
        for name, whole in {"vendor": vendor, "pictures": self.pictures, "ledger": ledger}.items():
            (folder / f"{name}.json").write_text(json.dumps(whole))
        lines = {
            "accepted": self.accepted,
            "acts": self.acts,
            "moves": self.moves,
            "deliveries": self.deliveries,
            "lines": self.lines,
        }
        for name, facts in lines.items():
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts))
        for key, data in self.stored.items():
            (folder / "store" / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / "store" / key).write_bytes(data)
        return check(folder, secret=SECRET)


def report(*jobs: str) -> dict[str, Any]:
    """The vendor's report of an account with these jobs, all for one picture."""
    return {
        "images": {IMAGE: {"accepted": len(jobs), "credits": 2 * len(jobs), "jobs": list(jobs)}} if jobs else {},
        "jobs": [{"id": job, "submitted_at": NOON, "credits": 2} for job in jobs],
        "accepted": len(jobs),
        "max_in_flight": 1,
        "over_cap": 0,
        "polls": 3 * len(jobs),
        "refused": {},
        "config": {"cap": 3},
    }


def delivery(webhook_id: str, event: str = "swap.succeeded", secret: str = SECRET) -> dict[str, Any]:
    body = json.dumps({"type": event, "data": {"job_id": "j1"}})
    return {"body": body, "headers": sign(body.encode(), webhook_id, 1000, secret)}


def kill(at: int, *in_hand: list[str]) -> dict[str, Any]:
    return {"deed": "kill a worker", "kill": 1, "workers": [0], "ledger_at": at, "in_hand": list(in_hand)}


def drained(account: str, begun: int, ended: int, over: int = 100) -> list[dict[str, Any]]:
    return [
        {"deed": "drain an account", "account": account, "at": NOON - 100, "ledger_at": begun},
        {"deed": "the account is resumed", "account": account, "at": NOON + over, "ledger_at": ended},
    ]


CHANGES: dict[str, tuple[str, Callable[[Story], object]]] = {
    "a job that never ended": ("lost", lambda story: story.job.update(state="RUNNING")),
    "a job that failed": ("lost", lambda story: story.job.update(state="FAILED")),
    "a job that is not there": ("lost", lambda story: story.accepted.append({**story.accepted[0], "job": "j2"})),
    "two charges for one picture": ("paid twice", lambda story: story.vendor.update(report("v1", "v2"))),
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
    "a submission above the cap": ("cap passed", lambda story: story.vendor.update(over_cap=1)),
    "more jobs at once than the cap": ("cap passed", lambda story: story.vendor.update(max_in_flight=4)),
    "a charge of another account": ("wrong account", lambda story: story.of_account("a", others={"b": report("v9")})),
    "two accounts that paid": ("paid twice", lambda story: story.of_account("a", others={"b": report("v9")})),
    "an id that the account does not know": ("wrong account", lambda story: story.job.update(vendor_job_id="v2")),
    "a job that failed for its account": (
        "failed by a refused account",
        lambda story: story.job.update(state="FAILED", failure_code="UNAUTHORIZED"),
    ),
    "credits counted for no account": ("credits", lambda story: story.spent.update(all="0")),
    "credits counted for another account": (
        "credits",
        lambda story: story.of_account("a", spent={"account:a": "0", "account:b": "2"}),
    ),
    "credits of another day": ("credits", lambda story: story.vendor["jobs"][0].update(submitted_at=NOON * 3)),
    "a slot of a drained account": (
        "drained account",
        lambda story: story.of_account("a", acts=drained("a", 1005, 1900)),
    ),
    "a slot among another account's": (
        "redis",
        lambda story: story.of_account("a", further={"slots:b": {"j1": 1}}),
    ),
    "a line that was not accepted": ("batch line", lambda story: story.of_batch(rows=2)),
    "a line that was accepted twice": ("batch line", lambda story: story.of_batch(jobs=2)),
    "a batch producer that does not know a line": ("batch producer", lambda story: story.of_batch(known=0)),
    "a batch producer with a traceback": ("batch producer", lambda story: story.of_batch(output="Traceback (most")),
    "a worker that ended by itself": (
        "worker ended by itself",
        lambda story: story.acts.append({"deed": "worker ended by itself", "worker": 0, "code": 1}),
    ),
}


def test_a_run_that_went_well_is_clean(tmp_path: Path) -> None:
    verdict = Story().verdict_in(tmp_path)
    assert (verdict.clean, verdict.lives) == (True, [1.0])


@pytest.mark.parametrize(
    "change",
    [
        lambda story: story.of_account("a"),
        lambda story: story.of_batch(),
        lambda story: story.of_account("a", acts=drained("a", 1011, 1900)),
        lambda story: story.of_account("a", acts=drained("a", 1005, 1900, over=-50)),
        lambda story: story.of_account("a", others={"b": report()}),
    ],
    ids=[
        "of an account",
        "of a batch",
        "a drain after its slot",
        "a drain that ended before its call",
        "another account without jobs",
    ],
)
def test_a_run_with_accounts_and_batches_that_went_well_is_clean(
    tmp_path: Path, change: Callable[[Story], object]
) -> None:
    story = Story()
    change(story)
    verdict = story.verdict_in(tmp_path)
    assert verdict.clean, verdict.wrong


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
