"""The way from one process to its ports, every call of which is a crash point; and the ledger at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis

from simulation.faults import WORKERS_OWN, Fault
from simulation.scheduler import Killed
from swapline_producer.errors import LedgerUnavailable, StorageUnavailable
from swapline_producer.ledger import Ledger
from swapline_workers import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulation.faults import Drawn
    from simulation.process import Process
    from simulation.scheduler import Fibre
    from simulation.world import World

    Failure = Callable[[str], Exception]


class Link:
    """The way from one process to one port."""

    def __init__(self, world: World, process: Process, port: str, lost: Failure, unsent: Failure) -> None:
        self.world = world
        self.process = process
        self.port = port
        self._lost = lost
        self._unsent = unsent
        self._host = "redis" if port in {"ledger", "broker"} else port

    def call(self, what: str, do: Callable[[], Any]) -> Any:
        """Make one call, with whatever fault is drawn for it."""
        world = self.world
        fibre = world.scheduler.current()
        if fibre is None or self.process is world.own:
            return do()
        drawn = world.faults.draw(self.port, paying=fibre.paying is not None)
        if drawn is not None:
            self._note(drawn, what)
        world.sleep(world.latency(self.port))
        if self._is_cut():
            return self._while_cut(what)
        if drawn is not None:
            return self._call_with(drawn, what, do)
        try:
            return do()
        finally:
            self._reply_comes(what)

    def _reply_comes(self, what: str) -> None:
        self.world.sleep(self.world.latency(self.port))
        if self._is_cut():
            self._reply_is_lost(what)
            raise self._lost("the connection was cut before the reply came")

    def _reply_is_lost(self, what: str) -> None:
        """Note whose paid call has an unknown outcome now: its attempt or its call were not answered."""
        fibre = self.world.scheduler.current()
        if fibre is not None and fibre.paying and what in {"submit", "attempt"}:
            self.world.excused.add(fibre.paying)

    def _call_with(self, drawn: Drawn, what: str, do: Callable[[], Any]) -> Any:  # noqa: C901 -- one branch for each fault
        world, fault = self.world, drawn.fault
        if fault is Fault.DIES_BEFORE:
            self._die()
        elif fault is Fault.STOPS_BEFORE:
            self._stop(drawn.seconds)
        elif fault is Fault.LATE_REQUEST:
            world.sleep(drawn.seconds)
        elif fault is Fault.NEVER_SENT:
            raise self._unsent("no connection")
        elif fault is Fault.ARRIVES_LATER:
            self._reply_is_lost(what)
            world.scheduler.spawn(lambda: _quietly(do), after=drawn.seconds)
            world.sleep(drawn.seconds * 0.7)
            raise self._lost("given up; the request was still on its way")
        answer = failure = None
        try:
            answer = do()
        except Exception as error:  # noqa: BLE001 -- the port's answer, which may get lost
            failure = error
        if fault is Fault.TWICE and failure is None:
            world.sleep(drawn.seconds)
            answer = do()
        elif fault is Fault.DIES_AFTER:
            self._die()
        elif fault is Fault.STOPS_AFTER:
            self._stop(drawn.seconds)
        elif fault is Fault.LATE_REPLY:
            world.sleep(drawn.seconds)
        elif fault is Fault.REPLY_LOST:
            world.sleep(drawn.seconds)
            self._reply_is_lost(what)
            raise self._lost("the reply got lost")
        if failure is not None:
            raise failure
        self._reply_comes(what)
        return answer

    def _while_cut(self, what: str) -> Any:
        self.world.excuse_for_now(self.process)
        for job_id in self._concerned():
            self.world.restarts.cut_off(job_id)
        self.world.note_once(f"{self.process.name} is cut off from {self._host}: {what} fails")
        self.world.sleep(0.05 + self.world.rng.random())
        raise self._unsent("no route to host")

    def _concerned(self) -> list[str]:
        """The jobs whose paid calls, or whose attempts, may have to be written by the fibre that makes this call."""
        fibre = self.world.scheduler.current()
        payers = self.process.payers if fibre is not None and fibre.keeps else [fibre]
        return [payer.paying for payer in payers if payer is not None and payer.paying]

    def _is_cut(self) -> bool:
        return self.process.cut_until.get(self._host, 0.0) > self.world.scheduler.now

    def _die(self) -> None:
        self.world.kill(self.process)
        raise Killed

    def _stop(self, seconds: float) -> None:
        self.world.stop(self.process, seconds)
        self.world.sleep(0.0)

    def _note(self, drawn: Drawn, what: str) -> None:
        fibre = self.world.scheduler.current()
        about = f" ({fibre.paying}'s paid call)" if fibre is not None and fibre.paying else ""
        self.world.note(f"{self.process.name}: {self.port} {what}: {drawn.fault}, {drawn.seconds:.1f} s{about}")
        for job_id in self._concerned() if self.port == "ledger" else ():
            self.world.restarts.hindered(job_id)
        if drawn.fault in WORKERS_OWN or (fibre is not None and not fibre.paying and self.port == "ledger"):
            self.world.excuse_for_now(self.process)


def _quietly(do: Callable[[], Any]) -> None:
    try:
        do()
    except (LedgerUnavailable, StorageUnavailable, errors.WorkerError, redis.exceptions.RedisError):
        return


class SimClient(redis.Redis):
    """The ledger's client where it reads without a script."""

    link: Link

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        real: Any = super().execute_command
        return self.link.call(str(arguments[0]), lambda: real(*arguments, **options))

    def pipeline(self, *arguments: Any, **options: Any) -> Any:
        pipe: Any = super().pipeline(*arguments, **options)
        execute = pipe.execute

        def watched(*arguments: Any, **options: Any) -> Any:
            commands = list(pipe.command_stack)

            def do() -> Any:
                pipe.command_stack = list(commands)
                return execute(*arguments, **options)

            return self.link.call("pipeline", do)

        pipe.execute = watched
        return pipe


def open_sim_ledger(world: World, process: Process) -> Ledger:
    """The real ledger over the world's server, by the server's simulated clock."""
    client = SimClient(connection_pool=world.pool)
    client.link = Link(world, process, "ledger", redis.exceptions.TimeoutError, redis.exceptions.ConnectionError)
    ledger = Ledger(client, world.prefix, record_ttl=90 * 86_400.0, clock=world.server_now)
    scripts, link = ledger.scripts, Link(world, process, "ledger", _away, _away)
    run, run_many = scripts._run, scripts.run_many
    fallback = redis.Redis(connection_pool=world.pool)

    def watched(move: str, arguments: dict[str, Any], **more: Any) -> tuple[Any, bool]:
        fibre, attempt = world.scheduler.current(), more.get("names_server", False)
        if attempt and fibre is not None:
            _begin_paying(process, fibre, arguments["id"])
        what = "attempt" if attempt else move

        def do() -> tuple[Any, bool]:
            restored = not attempt and (arguments.get("set") or {}).get("attempt_open") == "1"
            if not attempt:
                world.restarts.note_write("attempt" if restored else move, [arguments], fibre.paying if fibre else None)
            found = run(move, arguments, **more)
            if attempt and "settling" not in found[0]:
                world.restarts.note_write("attempt", [arguments], arguments["id"])
            world.observer.after_move(move, arguments, found[0])
            return found

        found: tuple[Any, bool] = link.call(what, do)
        if "settling" in found[0]:
            _end_paying(process, fibre)
        return found

    def watched_many(move: str, many: Iterable[dict[str, Any]]) -> Any:
        wanted = list(many)

        def do() -> Any:
            world.restarts.note_write(move, wanted, None)
            return run_many(move, wanted)

        return link.call(f"{move}, many", do)

    scripts._run = watched  # type: ignore[method-assign]
    scripts.server_of = lambda connection: str(world.restarts.number)  # noqa: ARG005 -- each restart puts another there
    ledger.server = lambda **_: str(link.call("server", lambda: str(world.restarts.number)))
    scripts.run_many = watched_many  # type: ignore[method-assign]
    for script in scripts._loaded.values():
        script.registered_client = fallback
    return ledger


def _begin_paying(process: Process, fibre: Fibre, job_id: str) -> None:
    fibre.paying, fibre.answered = job_id, False
    process.payers.add(fibre)
    if process.cut_until or process.world.jumped:
        process.world.passing.add(job_id)


def _end_paying(process: Process, fibre: Fibre | None) -> None:
    if fibre is not None:
        fibre.paying = None
        process.payers.discard(fibre)


def _away(why: str) -> LedgerUnavailable:
    return LedgerUnavailable(f"Redis did not answer: {why}")
