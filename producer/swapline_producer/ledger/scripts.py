"""The names of keys, the Lua scripts, and how they are run."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson
import redis

from swapline_producer.contract import Step, StepMessage
from swapline_producer.contract.values import DEFAULT_ACCOUNT
from swapline_producer.errors import LedgerUnavailable, NotReplicated
from swapline_producer.ledger.primary import WrongServer
from swapline_producer.ledger.servers import server_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from redis.commands.core import Script

    from swapline_producer.contract import Priority


REPLICATED_WITHIN = 1000
"""Milliseconds: a healthy replica lags by 1 or 2."""


class Spans(NamedTuple):
    """Seconds for which finished jobs' records, inputs and results are kept; None: for ever.

    `shown`: inputs of successes.
    """

    records: float
    inputs: float
    results: float | None
    shown: float = 0.0


class LedgerScripts:
    """The keys and moves of one installation."""

    def __init__(
        self,
        client: redis.Redis,
        prefix: str,
        moves: Iterable[str],
        *,
        spans: Spans,
        replicas: int = 0,
        clock: Callable[[], int] | None,
    ) -> None:
        """Important writes wait for `replicas`. `clock` returns milliseconds."""
        self.client = client
        self.prefix = prefix
        self.record_ttl_ms = round(spans.records * 1000)
        self.input_ttl_ms = round(spans.inputs * 1000)
        self.input_shown_ms = round(spans.shown * 1000)
        self.result_ttl_ms = None if spans.results is None else round(spans.results * 1000)
        self._replicas = replicas
        self._clock = clock
        self.server_of = server_of
        self._loaded: dict[str, Script] = {name: client.register_script(_source(name)) for name in moves}

    def now(self) -> int:
        """Return UTC milliseconds by the ledger's clock."""
        if self._clock is not None:
            return self._clock()
        with translated():
            seconds, micros = self.client.time()
        return seconds * 1000 + micros // 1000

    def server(self, *, confirm: bool = False) -> str:
        """Return the replication id of the server that a pooled connection leads to. Raises LedgerUnavailable.

        `confirm`: that it still is the primary.
        """
        pool = self.client.connection_pool
        with translated():
            connection = pool.get_connection()
            try:
                if confirm and hasattr(connection, "confirm_primary"):
                    connection.confirm_primary(trusted_for=0.0)
                return self.server_of(connection)
            finally:
                pool.release(connection)

    def key(self, *parts: str) -> str:
        """Return the full name of a key."""
        return ":".join((self.prefix, *parts))

    def run(self, move: str, **arguments: Any) -> dict[str, Any]:
        """Run one move in one round trip. Raises LedgerUnavailable."""
        return self._run(move, arguments)[0]

    def run_replicated(self, move: str, **arguments: Any) -> tuple[dict[str, Any], bool]:
        """Run one move; return also whether enough replicas have its writes."""
        return self._run(move, arguments, replicas=self._replicas)

    def run_attempt(self, **arguments: Any) -> tuple[dict[str, Any], bool]:
        """Write an attempt, which no fail-over may forget: its answer may be that the server has to settle."""
        return self._run("advance", arguments, replicas=self._replicas, names_server=True)

    def _run(
        self, move: str, arguments: dict[str, Any], *, replicas: int = 0, names_server: bool = False
    ) -> tuple[dict[str, Any], bool]:
        script, values = self._loaded[move], self._arguments(arguments)
        names_server |= move in NAMING_SERVER
        with translated():
            try:
                reply, having = self._send(script, values, replicas, names_server=names_server)
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):  # to a new connection
                reply, having = self._send(script, values, replicas, names_server=names_server)
        answer: dict[str, Any] = orjson.loads(reply)
        return answer, having >= replicas

    def _send(self, script: Script, values: list[str | bytes], replicas: int, *, names_server: bool) -> tuple[Any, int]:
        """Send one move, once: 0.04 ms of CPU, where `execute_command` takes 0.10, twelve times a job."""
        pool = self.client.connection_pool
        connection: Any = pool.get_connection()
        try:
            sent = [*values, self.server_of(connection)] if names_server else values
            try:
                reply = _ask(connection, "EVALSHA", script.sha, 0, *sent)
            except redis.exceptions.NoScriptError:
                _ask(connection, "SCRIPT LOAD", script.script)
                reply = _ask(connection, "EVALSHA", script.sha, 0, *sent)
            # WAIT counts the writes of its own connection
            return reply, _ask(connection, "WAIT", replicas, REPLICATED_WITHIN) if replicas else 0
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            connection.disconnect()
            raise
        finally:
            pool.release(connection)

    def run_many(self, move: str, many: Iterable[dict[str, Any]]) -> list[dict[str, Any] | LedgerUnavailable]:
        """Run one move with many arguments in one round trip; each can fail alone.

        Raises LedgerUnavailable: each may have been written.
        """
        wanted = list(many)
        with translated(), self.client.pipeline(transaction=False) as pipe:
            for arguments in wanted:
                self._loaded[move](args=self._arguments(arguments), client=pipe)
            if self._replicas:
                pipe.wait(self._replicas, REPLICATED_WITHIN)
            replies = pipe.execute(raise_on_error=False)
            if self._replicas and replies.pop() < self._replicas:
                return [NotReplicated("It")] * len(wanted)
        return [self._answer(move, *pair) for pair in zip(wanted, replies, strict=True)]

    def _answer(self, move: str, arguments: dict[str, Any], reply: Any) -> dict[str, Any] | LedgerUnavailable:
        try:
            if isinstance(reply, redis.exceptions.NoScriptError):  # the server lost its scripts in this moment
                return self.run(move, **arguments)
            with translated():
                if isinstance(reply, Exception):
                    raise reply
        except LedgerUnavailable as error:
            return error
        answer: dict[str, Any] = orjson.loads(reply)
        return answer

    def _arguments(self, arguments: dict[str, Any]) -> list[str | bytes]:
        now = "" if self._clock is None else str(self._clock())
        return [self.prefix, now, orjson.dumps(arguments)]


class LedgerPart:
    """One responsibility of the ledger."""

    def __init__(self, scripts: LedgerScripts) -> None:
        """Run moves through `scripts`."""
        self._scripts = scripts


def _ask(connection: Any, *command: Any) -> Any:
    connection.send_command(*command)
    return connection.read_response()


@contextmanager
def translated() -> Generator[None]:
    """Turn errors of the client into LedgerUnavailable."""
    try:
        yield
    except redis.exceptions.RedisError as error:
        raise LedgerUnavailable(f"Redis did not answer ({type(error).__name__}: {error}); {_advice(error)}.") from error


def _advice(error: redis.exceptions.RedisError) -> str:
    if isinstance(error, redis.exceptions.AuthenticationError) or "NOAUTH" in str(error):
        return "the user or the password in SWAPLINE_REDIS_URL is wrong"
    if isinstance(error, redis.exceptions.NoPermissionError) or "user executing the script" in str(error):
        return "this user's ACL does not allow it: compare with ops/redis/users.acl"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not to be trusted: SWAPLINE_REDIS_URL names its CA as ?ssl_ca_certs=FILE"
    if isinstance(error, WrongServer):
        return "a fail-over may be under way; else SWAPLINE_REDIS_URL must lead to the primary"
    if "NOREPLICAS" in str(error):
        return "the server takes no writes because too few replicas are with it (min-replicas-to-write)"
    return "check SWAPLINE_REDIS_URL and the server"


NAMING_SERVER = frozenset({"claim"})
"""Moves that say which server they reach, beside attempts."""

READS = frozenset({"history", "next_inputs", "outlines", "place", "scan", "slots", "snapshot"})
"""Moves that write nothing."""

LINE = ("shared", "accounts", "meter", "store", "breaker", "line")
EVERYTHING = (*LINE, "needs", "batches")
PARTS: dict[str, tuple[str, ...]] = {
    "accept": EVERYTHING,
    "adopt": ("shared",),
    "admit": ("shared",),
    "place": ("shared", "accounts", "each_account"),
    "advance": (*LINE, "servers", "refusals", "needs", "tally", "batches"),
    "claim": (*LINE, "servers", "each_account", "sample", "polled"),
    "history": ("shared", "accounts", "meter", "each_account", "sample"),
    "snapshot": (*LINE, "each_account"),
    "next_inputs": LINE,
    "release": ("shared",),
    "hold": ("shared", "needs"),
    "join": LINE,
    "repool": LINE,
    "line_up": LINE,
    "open": ("shared", "accounts", "meter"),
    "probe_store": ("shared", "store"),
    "purge": EVERYTHING,
    "probe": (*LINE, "each_account"),
    "renew": ("shared",),
    "seal": EVERYTHING,
    "slots": (*LINE, "each_account"),
}
"""Files before a move's own. Each call defines their functions anew, so frequent moves have few."""


def _source(move: str) -> str:
    folder = resources.files("swapline_producer") / "ledger" / "lua"
    names = [f"parts/{part}" for part in PARTS.get(move, (*LINE, "needs"))]
    names.append(f"{'reads' if move in READS else 'moves'}/{move}")
    return "\n".join((folder / f"{name}.lua").read_text() for name in names)


def sparse(arguments: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is empty or false."""
    return {name: value for name, value in arguments.items() if value or type(value) is int}


def listed(value: Any) -> list[Any]:
    """Return a list: Lua writes an empty one as an object."""
    return value if isinstance(value, list) else []


def pools_of(scripts: LedgerScripts) -> list[str]:
    """Return the pools of accounts that waiting jobs are pinned to."""
    with translated():
        return sorted(cast("dict[str, str]", scripts.client.hgetall(scripts.key("pools"))))


def sublines_of(priority: Priority, pools: Iterable[str]) -> list[str]:
    """Return a priority's sublines: one for all accounts, one for each pool of some."""
    return [str(priority), *(f"{priority}/{pool}" for pool in pools)]


def granted(answer: Mapping[str, Any]) -> tuple[StepMessage, ...]:
    """Return the messages of jobs with a new slot."""
    return tuple(
        StepMessage.model_construct(
            step=Step.SUBMIT,
            job_id=job_id,
            version=version,
            retries=attempts,
            account=more[0] if more else DEFAULT_ACCOUNT,
        )
        for job_id, version, attempts, *more in listed(answer["granted"])
    )
