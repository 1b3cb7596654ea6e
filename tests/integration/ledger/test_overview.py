"""The ledger's looks at the whole: the lines, the slots, and pages that stay where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.redis.fixtures import Time, new_job
from swapline_producer.contract import Priority, State
from swapline_producer.ledger.queries.occupancy import Entry

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger


def in_line(ledger: Ledger, job_id: str, **values: Any) -> None:
    ledger.intake.accept(new_job(job_id, **values))
    job = ledger.jobs.get(job_id)
    ledger.transitions.line_up(job)


def pages(ledger: Ledger, size: int) -> list[list[str]]:
    found: list[list[str]] = []
    before = None
    while entries := ledger.occupancy.newest(State, before=before, limit=size):
        found.append([entry.job_id for entry in entries])
        before = entries[-1]
    return found


def test_pages_hold_every_job_once_the_newest_first_even_within_one_millisecond(ledger: Ledger, time: Time) -> None:
    for number in range(10):
        ledger.intake.accept(new_job(f"job{number}"))
        time.at += number % 4 == 3  # four jobs in each millisecond
    assert [job_id for page in pages(ledger, 3) for job_id in page] == [
        f"job{number}" for number in reversed(range(10))
    ]


def test_a_page_stays_where_it_is_while_jobs_are_accepted_and_move(ledger: Ledger, time: Time) -> None:
    for number in range(6):
        ledger.intake.accept(new_job(f"job{number}"))
        time.at += 1
    first = ledger.occupancy.newest(State, limit=3)
    ledger.intake.accept(new_job("later"))
    ledger.transitions.line_up(ledger.jobs.get("job5"))  # gets a slot: it has moved
    second = ledger.occupancy.newest(State, before=first[-1], limit=3)
    assert [entry.job_id for entry in (*first, *second)] == ["job5", "job4", "job3", "job2", "job1", "job0"]


def test_the_lines_show_tenants_in_the_order_of_their_turns(ledger: Ledger, time: Time) -> None:
    began = time.at
    for number, tenant in enumerate(["a", "a", "a", "a", "b"]):
        in_line(ledger, f"job{number}", tenant=tenant)
        time.at += 1
    in_line(ledger, "first", tenant="a", priority="high")
    high, normal, low = ledger.occupancy.lines()
    assert [(one.tenant, one.jobs) for one in high.next] == [("a", 1)]
    assert [(one.tenant, one.jobs, one.oldest_at) for one in normal.next] == [("a", 2, began + 2), ("b", 1, began + 4)]
    assert (low.tenants, low.next, normal.tenants) == (0, (), 2)


def test_a_tenant_whose_credits_are_spent_is_shown_aside(ledger: Ledger) -> None:
    ledger.limits.set_credits("a", 2)
    for number in range(2):
        in_line(ledger, f"job{number}", tenant="a")
    normal = ledger.occupancy.lines()[1]
    assert [(one.tenant, one.jobs, one.capped_until is not None) for one in normal.next] == [("a", 1, True)]


def test_occupants_are_those_who_hold_a_slot_the_longest_first(ledger: Ledger, time: Time) -> None:
    for number in range(3):
        in_line(ledger, f"job{number}", tenant=f"t{number}")
        time.at += 5
    held = ledger.occupancy.occupants()
    assert [(one.job_id, one.since, one.state, one.tenant) for one in held] == [
        ("job0", time.at - 15, "SUBMITTING", "t0"),
        ("job1", time.at - 10, "SUBMITTING", "t1"),
    ]


def test_a_tenants_waiting_jobs_and_a_batch_have_pages_of_their_own(ledger: Ledger, time: Time) -> None:
    for number in range(5):
        in_line(ledger, f"job{number}", tenant="a" if number == 3 else "b", batch="spring")
        time.at += 1
    assert [entry.job_id for entry in ledger.occupancy.newest_waiting("a", Priority, limit=5)] == ["job3"]
    batch = ledger.occupancy.newest_of_batch("spring", "b", limit=2)
    assert [entry.job_id for entry in batch] == ["job4", "job2"]
    assert [entry.job_id for entry in ledger.occupancy.newest_of_batch("spring", "b", before=batch[-1])] == [
        "job1",
        "job0",
    ]
    assert ledger.occupancy.batch_sizes([("spring", "b"), ("spring", "a"), ("summer", "b")]) == [4, 1, 0]


def test_the_holder_of_an_idempotency_key_is_found(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("job0", idempotency_key="order 7"))
    assert ledger.occupancy.holders([("default", "order 7"), ("other", "order 7")]) == [Entry(0, "job0")]


def test_what_came_lately_is_counted(ledger: Ledger, time: Time) -> None:
    ledger.intake.accept(new_job("old"))
    time.pass_(100)
    ledger.intake.accept(new_job("new"))
    assert ledger.occupancy.came_since(time.at - 50_000, [State.QUEUED]) == {State.QUEUED: 1}
