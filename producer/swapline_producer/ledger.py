"""Every job's record in Redis: the truth. The only place that knows a key's name.

A job changes only by `advance`, one Lua compare-and-set on (state, turn) that writes the fields, moves the job's
entry in `due`, hands free slots on, logs and counts: one round trip. A lost race is a normal answer, not an error.
The key layout is written at the top of `lua/shared.lua`.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import orjson
import redis
from pydantic import TypeAdapter
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from swapline_producer.change import Advanced, Claimed, CreditsView, GivenBack, Opened, SlotsView
from swapline_producer.contract import SLOT_STATES, ImageRef, Job, JobEvent, JobSpec, Priority, State, Step, Ticket
from swapline_producer.errors import JobNotFound
from swapline_producer.ledger_accept import APART, Accepting
from swapline_producer.ledger_core import translated
from swapline_producer.ledger_waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from swapline_producer.change import Change, FieldValue, Limits
    from swapline_producer.contract import Canceling

DAY = 86_400
"""Seconds."""

_IMAGE: TypeAdapter[ImageRef] = TypeAdapter(ImageRef)

MOVES = ("accept", "open", "line_up", "advance", "claim", "renew", "give_back", "cancel", "front")


def connect(url: str, *, timeout: float = 10.0) -> redis.Redis:
    """Open a client for `redis://`, `rediss://` or `unix://`; no connection is made yet.

    `timeout` seconds bound every command. Commands are tried again twice after a broken connection: reads and Lua
    moves alike may be repeated, because each move recognises its own repetition.
    """
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=5.0,  # a host that does not answer in 5 s is down, not slow
        health_check_interval=30,  # finds half-open connections that a firewall forgot
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.1), retries=2),
    )


class Ledger(Accepting, Waiting):
    """The jobs of one installation.

    `clock` gives milliseconds for tests; without it the server's own clock is used, so that workers' clocks may differ.
    """

    def __init__(
        self,
        client: redis.Redis,
        prefix: str = "swapline",
        *,
        keep: float = 30 * 86_400.0,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """Keep finished records for `keep` seconds."""
        super().__init__(client, prefix, MOVES, keep=keep, clock=clock)

    # -- moves ------------------------------------------------------------------------------------------------

    def open(self, job_id: str, turn: int) -> Opened | None:
        """Take a job in hand at a turn; None when the message is stale."""
        answer = self._run("open", id=job_id, turn=str(turn))
        if answer.get("stale"):
            return None
        flat = answer["fields"]
        job = _job(job_id, dict(zip(flat[::2], flat[1::2], strict=True)))
        return Opened(job=job, at=answer["at"], waiting=answer["waiting"])

    def line_up(self, job: Job) -> tuple[Ticket, ...] | None:
        """Put a QUEUED job in the waiting line and give out free slots; None when the job has moved on.

        The tickets are of the jobs that were given a slot, this one among them if it was its turn.
        """
        answer = self._run("line_up", id=job.job_id, turn=str(job.turn))
        return None if answer.get("stale") else _granted(answer)

    def advance(self, job: Job, change: Change, *, token: str = "") -> Advanced | None:
        """Write a change if the job is still in its state and at its turn; None when it is not.

        None as well where the job is to be canceled by now and was not when it was read: what is to be written then
        is another change.

        A caller that asks again after LedgerUnavailable gives the same `token` (from `new_token`) both times: a move
        that was written and whose reply was lost then counts as written.
        """
        slot = change.to in SLOT_STATES or (change.to is State.HELD and job.slot)
        values = {name: _text(value) for name, value in change.fields.items() if value is not None}
        answer = self._run(
            "advance",
            id=job.job_id,
            state=job.state,
            turn=str(job.turn),
            canceling=job.canceling or "",
            token=token or new_token(),
            to=change.to,
            finished=change.to.finished,
            slot=slot,
            set=[part for pair in values.items() for part in pair],
            unset=[name for name, value in change.fields.items() if value is None],
            stamps={name: round(seconds * 1000) for name, seconds in change.stamps.items()},
            due_by=change.due_by or False,
            due_ms=False if change.due_in is None else max(0, round(change.due_in * 1000)),
            note=change.note or False,
            data=orjson.dumps(change.data).decode(),
            in_line=change.in_line,
            sends=change.sends,
            count=change.count,
            observe={name: _shares(spread) for name, spread in change.observe.items()},
            strike=_strike(change),
            calm=change.calm,
            refund=change.refund,
            keep_ms=self._keep_ms,
        )
        if answer.get("stale"):
            return None
        return Advanced(
            job=_after(job, change, answer, slot=slot),
            at=answer["at"],
            due=answer.get("due") or None,
            opens_at=answer.get("opens_at"),
            granted=_granted(answer),
        )

    def request_cancel(self, job: Job, how: Canceling) -> bool:
        """Have a job that the vendor has, or may have, end CANCELED; False when it is not at the vendor (any more)."""
        return bool(self._run("cancel", id=job.job_id, state=job.state, how=how).get("requested"))

    def claim(
        self,
        routes: Mapping[str, Step],
        *,
        clock: str = "clock",
        limit: int = 200,
        backlog: int = 1000,
    ) -> Claimed:
        """Take what is due, at most `limit` entries, and whatever slots are free.

        `routes` says which step acts on which state. A step whose queue holds more than `backlog` messages is not
        sent a second time: its entry is put off.
        """
        answer = self._run(
            "claim",
            clock=clock,
            limit=limit,
            backlog=backlog,
            routes=dict(routes),
            queues={step.value: step.queue(self.prefix) for step in Step},
        )
        tickets = [
            Ticket(step=step, job_id=job_id, turn=turn, retries=retries)
            for job_id, step, turn, retries in _list(answer["tickets"])
        ]
        return Claimed(
            tickets=(*tickets, *_granted(answer)),
            at=answer["at"],
            next_at=answer.get("next_at"),
            rescued=answer["rescued"],
            postponed=answer["postponed"],
            clocks=answer["clocks"],
            put_off=tuple(_list(answer["put_off"])),
        )

    def renew(self, jobs: Iterable[tuple[str, int]]) -> int:
        """Put off the rescue of jobs in hand, given as (job id, turn)."""
        pairs = [[job_id, str(turn)] for job_id, turn in jobs]
        return int(self._run("renew", jobs=pairs)["renewed"]) if pairs else 0

    def give_back(self, jobs: Iterable[tuple[str, int]]) -> GivenBack:
        """Make jobs in hand, given as (job id, turn), due at once for others, but for paid calls under way."""
        pairs = [[job_id, str(turn)] for job_id, turn in jobs]
        answer = self._run("give_back", jobs=pairs) if pairs else {"given_back": 0, "paying": 0}
        return GivenBack(given_back=answer["given_back"], paying=answer["paying"])

    def configure(self, limits: Limits) -> None:
        """Set what the whole installation must agree on; the worker started last wins."""
        given = limits.model_dump(exclude={"rescue_after"}) | {"rescue_ms": round(limits.rescue_after * 1000)}
        with translated(), self.client.pipeline(transaction=True) as pipe:
            for name, value in given.items():
                if value is None:
                    pipe.hdel(self._key("limits"), name)
                else:
                    pipe.hset(self._key("limits"), name, value)
            pipe.execute()

    def set_slots(self, number: int | None) -> None:
        """Use so many slots from now on, whatever the workers' setting says; None goes back to the setting."""
        with translated():
            if number is None:
                self.client.hdel(self._key("limits"), "slots")
            else:
                self.client.hset(self._key("limits"), "slots", number)

    def set_credits(self, tenant: str, per_day: int | None) -> None:
        """Let a tenant spend so many credits a day (UTC); None lifts the cap. Jobs above it wait."""
        with translated(), self.client.pipeline(transaction=True) as pipe:
            if per_day is None:
                pipe.hdel(self._key("caps"), tenant)
            else:
                pipe.hset(self._key("caps"), tenant, per_day)
            for priority in Priority:  # who stands aside comes back now, and stands aside again if it must
                pipe.zadd(self._key("line", priority, "over"), {tenant: 0}, xx=True)
            pipe.execute()

    # -- looks ------------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """Read one job. Raises JobNotFound."""
        with translated():
            fields = cast("dict[str, str]", self.client.hgetall(self._key("job", job_id)))
        if not fields:
            raise JobNotFound(f"There is no job {job_id!r} in the ledger; `swapline jobs list` shows those there are.")
        return _job(job_id, fields)

    def events(self, job_id: str) -> list[JobEvent]:
        """Read a job's log, oldest first; empty for a job that is not there."""
        with translated():
            lines = self.client.lrange(self._key("log", job_id), 0, -1)
        return [JobEvent.model_validate_json(line) for line in lines]

    def list_ids(self, state: State, *, limit: int = 50, offset: int = 0) -> list[str]:
        """The ids of the jobs in a state, those that came into it last first."""
        with translated():
            return cast("list[str]", self.client.zrevrange(self._key("state", state), offset, offset + limit - 1))

    def get_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Read several jobs in one round trip; those that are gone are left out."""
        with translated(), self.client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hgetall(self._key("job", job_id))
            found = pipe.execute()
        return [_job(job_id, fields) for job_id, fields in zip(job_ids, found, strict=True) if fields]

    def front(self, number: int) -> list[ImageRef]:
        """The pictures of the jobs that will probably be given the next slots, at most `number`."""
        specs = _list(self._run("front", number=number)["specs"])
        return [_IMAGE.validate_python(orjson.loads(spec)["image"]) for spec in specs]

    def census(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with translated(), self.client.pipeline(transaction=False) as pipe:
            for state in State:
                pipe.zcard(self._key("state", state))
            return dict(zip(State, pipe.execute(), strict=True))

    def counters(self) -> dict[str, int]:
        """The counters of the whole system."""
        with translated():
            counts = cast("dict[str, str]", self.client.hgetall(self._key("count")))
        return {name: int(value) for name, value in counts.items()}

    def histograms(self, names: Sequence[str]) -> list[dict[int, float]]:
        """Read histograms of service times in one round trip: bucket -> weight, empty where there is none."""
        with translated(), self.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(self._key("hist", name))
            found = pipe.execute()
        return [{int(bucket): float(share) for bucket, share in one.items() if bucket.isdigit()} for one in found]

    def slots(self) -> SlotsView:
        """How the account is used now."""
        with translated(), self.client.pipeline(transaction=False) as pipe:
            pipe.hgetall(self._key("limits"))
            pipe.hgetall(self._key("gate"))
            pipe.zrange(self._key("slots"), 0, -1)
            pipe.zcard(self._key("state", State.QUEUED))
            pipe.time()
            limits, gate, held, waiting, (seconds, micros) = pipe.execute()
        limit = int(limits.get("slots", limits.get("max_in_flight", 3)))
        at = seconds * 1000 + micros // 1000
        closed = int(gate.get("closed_until", 0))
        return SlotsView(
            limit=limit,
            cap=min(limit, int(limits.get("cap", limit))),
            in_flight=tuple(held),
            waiting=waiting,
            closed_until=closed if closed > at else None,
            reason=gate.get("reason"),
            strikes=int(gate.get("strikes", 0)),
            at=at,
        )

    def credits(self) -> CreditsView:
        """What was spent today (UTC), and the caps."""
        with translated():
            seconds, _ = self.client.time()
            day = seconds // DAY
            with self.client.pipeline(transaction=False) as pipe:
                pipe.hgetall(self._key("spent", str(day)))
                pipe.hgetall(self._key("caps"))
                pipe.hget(self._key("limits"), "credits_per_day")
                spent, caps, per_day = pipe.execute()
        by_tenant = {name.removeprefix("tenant:"): int(value) for name, value in spent.items() if name != "all"}
        return CreditsView(
            day=datetime.fromtimestamp(day * DAY, UTC).date().isoformat(),
            spent=int(spent.get("all", 0)),
            per_day=int(per_day) if per_day else None,
            by_tenant=by_tenant,
            caps={tenant: int(cap) for tenant, cap in caps.items()},
        )


def new_token() -> str:
    """A name for one move: 48 bits, unique among the moves of one job."""
    return secrets.token_hex(6)


def _list(value: Any) -> list[Any]:
    """Lua has one kind of table: an empty list arrives as an empty object."""
    return value if isinstance(value, list) else []


def _granted(answer: Mapping[str, Any]) -> tuple[Ticket, ...]:
    return tuple(
        Ticket(step=Step.SUBMIT, job_id=job_id, turn=turn, retries=attempts)
        for job_id, turn, attempts in _list(answer["granted"])
    )


def _strike(change: Change) -> dict[str, Any] | bool:
    if change.strike is None:
        return False
    strike = change.strike
    return {
        "reason": strike.reason,
        "wait_ms": round(strike.wait * 1000),
        "longest_ms": round(strike.longest * 1000),
        "shrink": strike.shrink,
        "asked": strike.asked,
    }


def _shares(spread: Mapping[int, float]) -> dict[str, str]:
    return {str(bucket): f"{share:.4f}" for bucket, share in spread.items()}


def _text(value: FieldValue) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return orjson.dumps([picture.model_dump() for picture in value]).decode()
    return str(value)


def _job(job_id: str, fields: Mapping[str, str]) -> Job:
    known = {name: value for name, value in fields.items() if name in Job.model_fields}
    apart = {name: fields[name] for name in APART if name in fields}
    spec = JobSpec.model_validate(orjson.loads(fields["spec"]) | apart)
    images = orjson.loads(fields["images"]) if "images" in fields else ()
    return Job.model_validate({**known, "job_id": job_id, "spec": spec, "images": images})


def _after(job: Job, change: Change, answer: Mapping[str, Any], *, slot: bool) -> Job:
    """The job as the ledger now has it, without reading it again."""
    stamped = {name: answer["at"] + round(seconds * 1000) for name, seconds in change.stamps.items()}
    if change.to.finished and change.to is not job.state:
        stamped["finished_at"] = answer["at"]
    removed = {name: Job.model_fields[name].default for name, value in change.fields.items() if value is None}
    fresh = {"state": change.to, "turn": answer["turn"], "slot": slot}
    return job.model_copy(update={**change.fields, **removed, **stamped, **fresh})
