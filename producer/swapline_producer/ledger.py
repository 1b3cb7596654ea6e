"""Every job's record in Redis: the truth. The only place that knows a key's name.

A job changes only by `advance`, one Lua compare-and-set on (state, turn) that writes the fields, moves the job's
entry in `due`, hands free slots on, logs and counts: one round trip. A lost race is a normal answer, not an error.
The key layout is written at the top of `lua/shared.lua`.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

import orjson
import redis
from pydantic import TypeAdapter
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from swapline_producer.change import Advanced, Claimed, CreditsView, GivenBack, Opened, SlotsView
from swapline_producer.contract import SLOT_STATES, ImageRef, Job, JobEvent, JobSpec, Priority, State, Step, Ticket
from swapline_producer.errors import IdempotencyConflict, JobNotFound, LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from redis.commands.core import Script

    from swapline_producer.change import Change, FieldValue, Limits, NewJob

DAY = 86_400
"""Seconds."""

_IMAGE: TypeAdapter[ImageRef] = TypeAdapter(ImageRef)

APART = ("tenant", "priority")
"""Parts of the spec that Lua reads as well: fields of their own, and not kept twice."""

MOVES = ("accept", "open", "line_up", "advance", "claim", "renew", "give_back", "front")


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


class Ledger:
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
        self.client = client
        self.prefix = prefix
        self._keep_ms = round(keep * 1000)
        self._clock = clock
        self._scripts: dict[str, Script] = {name: client.register_script(_source(name)) for name in MOVES}

    # -- moves ------------------------------------------------------------------------------------------------

    def accept(self, job: NewJob, *, fingerprint: str = "") -> tuple[str, bool]:
        """Write a new job as QUEUED. Gives its id and whether it is new.

        With an idempotency key that is known, gives the job that has it; raises IdempotencyConflict where the key
        came with another `fingerprint`.
        """
        spec, ttl_ms = job.spec, round(job.queue_ttl * 1000)
        name = spec.get("idempotency_key")
        run_ms = round(job.run_timeout * 1000)
        claim = {"key": name, "fingerprint": fingerprint, "ttl_ms": ttl_ms + run_ms + self._keep_ms}
        answer = self._run(
            "accept",
            id=job.job_id,
            tenant=spec["tenant"],
            ttl_ms=ttl_ms,
            fields={
                "spec": orjson.dumps(
                    {name: spec[name] for name in spec if name not in APART and spec[name] != {}}
                ).decode(),
                **{name: spec[name] for name in APART},
                "run_timeout_ms": str(run_ms),
            },
            **({"claim": claim} if name else {}),
        )
        if answer.get("conflict"):
            raise IdempotencyConflict(
                f"The idempotency key {name!r} already belongs to job {answer['id']}, which was asked for with other"
                " values; use another key, or send the same request again.",
            )
        return answer["id"], answer["created"]

    def open(self, job_id: str, turn: int) -> Opened | None:
        """Take a job in hand at a turn; None when the message is stale."""
        answer = self._run("open", id=job_id, turn=str(turn))
        if answer.get("stale"):
            return None
        flat = answer["fields"]
        return Opened(job=_job(job_id, dict(zip(flat[::2], flat[1::2], strict=True))), at=answer["at"])

    def line_up(self, job: Job) -> tuple[Ticket, ...] | None:
        """Put a QUEUED job in the waiting line and give out free slots; None when the job has moved on.

        The tickets are of the jobs that were given a slot, this one among them if it was its turn.
        """
        answer = self._run("line_up", id=job.job_id, turn=str(job.turn))
        return None if answer.get("stale") else _granted(answer)

    def advance(self, job: Job, change: Change, *, token: str = "") -> Advanced | None:
        """Write a change if the job is still in its state and at its turn; None when it is not.

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
            observe=change.observe,
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
        with _translated(), self.client.pipeline(transaction=True) as pipe:
            for name, value in given.items():
                if value is None:
                    pipe.hdel(self._key("limits"), name)
                else:
                    pipe.hset(self._key("limits"), name, value)
            pipe.execute()

    def set_slots(self, number: int | None) -> None:
        """Use so many slots from now on, whatever the workers' setting says; None goes back to the setting."""
        with _translated():
            if number is None:
                self.client.hdel(self._key("limits"), "slots")
            else:
                self.client.hset(self._key("limits"), "slots", number)

    def set_credits(self, tenant: str, per_day: int | None) -> None:
        """Let a tenant spend so many credits a day (UTC); None lifts the cap. Jobs above it wait."""
        with _translated(), self.client.pipeline(transaction=True) as pipe:
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
        with _translated():
            fields = cast("dict[str, str]", self.client.hgetall(self._key("job", job_id)))
        if not fields:
            raise JobNotFound(f"There is no job {job_id!r} in the ledger; `swapline jobs list` shows those there are.")
        return _job(job_id, fields)

    def events(self, job_id: str) -> list[JobEvent]:
        """Read a job's log, oldest first; empty for a job that is not there."""
        with _translated():
            lines = self.client.lrange(self._key("log", job_id), 0, -1)
        return [JobEvent.model_validate_json(line) for line in lines]

    def list_ids(self, state: State, *, limit: int = 50, offset: int = 0) -> list[str]:
        """The ids of the jobs in a state, those that came into it last first."""
        with _translated():
            return cast("list[str]", self.client.zrevrange(self._key("state", state), offset, offset + limit - 1))

    def get_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Read several jobs in one round trip; those that are gone are left out."""
        with _translated(), self.client.pipeline(transaction=False) as pipe:
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
        with _translated(), self.client.pipeline(transaction=False) as pipe:
            for state in State:
                pipe.zcard(self._key("state", state))
            return dict(zip(State, pipe.execute(), strict=True))

    def counters(self) -> dict[str, int]:
        """The counters of the whole system."""
        with _translated():
            counts = cast("dict[str, str]", self.client.hgetall(self._key("count")))
        return {name: int(value) for name, value in counts.items()}

    def slots(self) -> SlotsView:
        """How the account is used now."""
        with _translated(), self.client.pipeline(transaction=False) as pipe:
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
        with _translated():
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

    @contextmanager
    def watching(self, job_id: str) -> Generator[Callable[[float], bool]]:
        """Subscribe to a job's end. Gives a function that waits so many seconds and says whether word came."""
        # redis-py's pubsub() carries no types
        with _translated(), self.client.pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
            pubsub.subscribe(self._key("done", job_id))
            pubsub.get_message(timeout=1.0)  # the server's word that we are subscribed
            yield lambda seconds: pubsub.get_message(timeout=seconds) is not None

    # -- inside -----------------------------------------------------------------------------------------------

    def _key(self, *parts: str) -> str:
        return ":".join((self.prefix, *parts))

    def _run(self, move: str, **arguments: Any) -> dict[str, Any]:
        now = "" if self._clock is None else str(self._clock())
        with _translated():
            reply = self._scripts[move](args=[self.prefix, now, orjson.dumps(arguments)])
        answer: dict[str, Any] = orjson.loads(reply)
        return answer


def new_token() -> str:
    """A name for one move: 48 bits, unique among the moves of one job."""
    return secrets.token_hex(6)


def _source(move: str) -> str:
    folder = resources.files("swapline_producer") / "lua"
    return "\n".join((folder / f"{name}.lua").read_text() for name in ("shared", "line", move))


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except redis.exceptions.RedisError as error:
        raise LedgerUnavailable(
            f"Redis did not answer ({type(error).__name__}: {error}); check SWAPLINE_REDIS_URL and the server.",
        ) from error


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
    }


def _text(value: FieldValue) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return orjson.dumps([picture.model_dump() for picture in value]).decode()
    return str(value)


def _job(job_id: str, fields: Mapping[str, str]) -> Job:
    known = {name: value for name, value in fields.items() if name in Job.model_fields}
    spec = JobSpec.model_validate(orjson.loads(fields["spec"]) | {name: fields[name] for name in APART})
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
