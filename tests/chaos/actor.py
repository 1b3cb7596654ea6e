"""A worker of the product in a world that the harness can bend. Run as a script, in place of `swapline worker`.

    CHAOS_OFFSET    a file with milliseconds: the ledger's clock is the machine's plus so much, for every worker alike
    CHAOS_BARRIER   a fifo: this worker stops just before it writes an attempt, until the fifo's writer closes it
    CHAOS_SABOTAGE  one of SABOTAGES: takes one protection away, to show that the checker notices

Without the last one, every line of the product is as it is shipped.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

from swapline_producer.contract import transitions
from swapline_producer.ledger import open_ledger
from swapline_workers.adapters.vendor_pool import VendorPool
from swapline_workers.runtime import bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.ledger import Ledger
    from swapline_producer.settings import ProducerSettings


def replace(owner: object, name: str, other: object) -> None:
    """Put something else in the place of a part of the product, which must be there."""
    getattr(owner, name)
    setattr(owner, name, other)


def offset_clock(file: Path) -> Callable[[], int]:
    """Milliseconds by this machine's clock plus what stands in the file."""
    return lambda: time.time_ns() // 1_000_000 + int(file.read_text() or 0)


def bend_clock(file: Path) -> None:
    """Make the time of every ledger of this process adjustable."""

    def with_our_clock(settings: ProducerSettings) -> Ledger:
        ledger = open_ledger(settings)
        replace(ledger.scripts, "_clock", offset_clock(file))
        return ledger

    replace(bootstrap, "open_ledger", with_our_clock)


def wait_at_breaker(fifo: Path) -> None:
    """Let each submission stop when its attempt is about to be written."""
    original = vars(transitions)["attempted"]

    def after_the_barrier(*args: Any, **more: Any) -> Any:
        fifo.read_bytes()  # opening tells the writer that we are here; the end of the file lets us go on
        return original(*args, **more)

    replace(transitions, "attempted", after_the_barrier)


def rewrite_lua(changes: dict[str, str]) -> None:
    """Replace lines of the Lua moves. Where a line is not there any more, nothing is sabotaged, and a test fails."""
    register = redis.Redis.register_script

    def rewritten(client: redis.Redis, script: str) -> Any:
        for old, new in changes.items():
            script = script.replace(old, new)
        return register(client, script)

    replace(redis.Redis, "register_script", rewritten)


def without_fencing() -> None:
    """A move is written whatever has become of the job, and a stale message is taken for a fresh one."""
    rewrite_lua(
        {
            "if moved or input.after and have[3] ~= input.after then": "if not state then",
            "if have[1] ~= input.version then": "if not have[1] then",
        }
    )


def without_rescue() -> None:
    """What was sent once is never sent again."""
    rewrite_lua({"elseif not step then": "elseif not step or have[3] == version then"})


def without_attempt_record() -> None:
    """The mark of a paid call under way is not written."""
    original = vars(transitions)["attempted"]

    def unmarked(*args: Any, **more: Any) -> Any:
        change = original(*args, **more)
        fields = {name: value for name, value in change.fields.items() if name != "attempt_open"}
        return change.model_copy(update={"fields": fields})

    replace(transitions, "attempted", unmarked)


def with_another_account() -> None:
    """Every call is made, and paid, by the account that comes first."""
    original = VendorPool.of

    def first(pool: VendorPool, account: str) -> Any:
        return original(pool, min([*pool._accounts, account]))

    replace(VendorPool, "of", first)


def without_drains() -> None:
    """A drained account is given jobs."""
    rewrite_lua({"if own_limit('drained', 0) > 0 then return 0 end": ""})


def with_anothers_credits() -> None:
    """What an account spends is counted for another one."""
    rewrite_lua({"local of_account = 'account:' .. (account or 'default')": "local of_account = 'account:a'"})


SABOTAGES = {
    "fencing": without_fencing,
    "rescue": without_rescue,
    "attempt": without_attempt_record,
    "account": with_another_account,
    "drain": without_drains,
    "credits": with_anothers_credits,
}


def main() -> None:
    """Bend the world as the environment says, then be a worker."""
    if file := os.environ.get("CHAOS_OFFSET"):
        bend_clock(Path(file))
    if fifo := os.environ.get("CHAOS_BARRIER"):
        wait_at_breaker(Path(fifo))
    if protection := os.environ.get("CHAOS_SABOTAGE"):
        SABOTAGES[protection]()
    from swapline_workers.cli import worker  # noqa: PLC0415 -- after the world was bent

    worker()


if __name__ == "__main__":
    main()
