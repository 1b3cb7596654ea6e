"""Deliberate faults that show with several accounts, which half of the worlds have."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from simulation.mutant import Mutant, changed
from swapline_producer.contract import State
from swapline_workers import errors
from swapline_workers.adapters.vendor_pool import VendorPool
from swapline_workers.runtime.installation.accounts import NamedAccounts
from swapline_workers.steps import refusals, submit
from swapline_workers.steps.ports import Ports


def _key_of_the_first(real: Any) -> Any:
    def vendor_of(self: Any, job: Any) -> Any:
        if self.accounts is None or job.state is not State.RUNNING:
            return real(self, job)
        return self.accounts.of(min(self.accounts._clients))

    return vendor_of


def _unclear_moves(job: Any, ports: Any, reason: str, _evidence: Any) -> Any:
    return refusals.refused(job, ports, errors.NotSent(reason))


def _first_keys_only(self: Any, accounts: Any) -> None:
    if not self._clients:
        self._clients = {name: self._client_of(one) for name, one in accounts.items()}


ACCOUNT_MUTANTS = (
    Mutant("a poll uses another account's key", python=changed(Ports, "vendor_of", _key_of_the_first)),
    Mutant("a job that may have been charged moves", python=lambda: [patch.object(submit, "_unknown", _unclear_moves)]),
    Mutant(
        "a late reply leaves the job with the account that it was given meanwhile",
        python=lambda: [patch.object(submit, "_on_account_of", lambda _job, _found, change: change)],
    ),
    Mutant(
        "every account has the cap of the basic plan",
        "",
        ("local most = own_limit('slots', own_limit('max_in_flight', 3))\n  local cap", "local most = 3\n  local cap"),
    ),
    Mutant("a drained account is given jobs", "", ("  if own_limit('drained', 0) > 0 then return 0 end\n", "")),
    Mutant(
        "credits are counted for another account",
        "",
        ("local of_account = 'account:' .. (account or 'default')", "local of_account = 'account:default'"),
    ),
    Mutant(
        "a freed slot of an account is handed on by the next claim only",
        "advance",
        ("if state ~= 'QUEUED' then names[account or 'default'] = true end", ""),
    ),
    Mutant("a pinned job runs on any account", "", ("have[1] or have[2] or redis.call", "have[1] or redis.call")),
    Mutant(
        "an account is given a version that it does not have",
        "",
        ("if version ~= '' and not one.speaks[version] then", "if false then"),
    ),
    Mutant(
        "a refused job waits although another account is well",
        "advance",
        ("elsewhere = elsewhere or one.name ~= here and", "elsewhere = false and"),
    ),
    Mutant(
        "an account is left out although it has jobs",
        "join",
        ("if jobs > 0 then refused = {refused = 'jobs', account = one.name, jobs = jobs} end", ""),
    ),
    Mutant(
        "one account's breaker is everybody's",
        "",
        ("return whole(own('breaker'))[name]", "return whole(key('breaker'))[name]"),
    ),
    Mutant(
        "an account keeps jobs that have ended",
        "",
        ("    redis.call('ZREM', key('jobs', account or 'default'), id)\n", ""),
    ),
    Mutant("a new key is not used", python=lambda: [patch.object(VendorPool, "use", _first_keys_only)]),
    Mutant("a changed file is not read again", python=lambda: [patch.object(NamedAccounts, "check", lambda _: None)]),
)
