"""The workers of an installation: their vendor, and their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import orjson
from pydantic import Field

from swapline_producer.contract import ApiVersion, Frozen
from swapline_producer.contract.accounts import Limits
from swapline_producer.errors import LedgerUnavailable, WrongOwner
from swapline_producer.ledger.accounts.registry import BEFORE_MS, DEFAULT, Vendor, left_out, left_out_pin, refusal
from swapline_producer.ledger.scripts import LedgerPart, listed, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

LIFE_MS = 60_000
"""An unseen worker counts as living: six missed calls."""


class AccountShown(Frozen):
    """What a worker shows of an account that its settings name. Never the key."""

    limits: Limits = Limits()
    weight: float = 1.0
    labels: tuple[str, ...] = ()
    api_versions: tuple[ApiVersion, ...] = tuple(ApiVersion)
    scope: str = ""
    """Tells apart vendors whose job ids may be equal; empty for that of `default`."""

    def as_record(self) -> dict[str, Any]:
        """Return it as the ledger has it."""
        about = {
            "weight": self.weight,
            "labels": sorted(self.labels),
            "versions": sorted(self.api_versions),
            "scope": self.scope,
        }
        return {"limits": self.limits.named(), "about": orjson.dumps(about).decode()}


class WorkerRecord(Frozen):
    """What one worker process shows, without secrets."""

    worker_id: str
    host: str
    pid: int
    started_at: int
    """UTC milliseconds, by its machine."""
    at: int = 0
    """UTC milliseconds."""
    address: str = ""
    key: str = ""
    """End of its fingerprint."""
    steps: str = ""
    """Comma-separated."""
    storage_url: str = ""
    store: str = ""
    """`ok`, or the problem; empty before its first answer."""
    webhook_keys: int = 0
    """Number of keys for tenants without their own."""
    webhook_print: str = ""
    tenant_keys: bool = False
    shared: dict[str, str] = Field(default_factory=dict)
    """Settings that all workers should share."""
    limits: Limits = Limits()
    accounts: dict[str, AccountShown] = Field(default_factory=dict)
    """By name; empty: it works with `default`."""

    @property
    def name(self) -> str:
        """Return its host and process."""
        return f"{self.host} (pid {self.pid})"

    def limits_of(self, account: str | None) -> Limits:
        """Return what its settings name for the installation, or for an account."""
        if account is None or (account == DEFAULT and not self.accounts):
            return self.limits
        return self.accounts[account].limits if account in self.accounts else Limits()


class LimitChange(NamedTuple):
    """A limit in force, because all workers that name it agree."""

    name: str
    before: float | None
    now: float
    account: str = DEFAULT


class Joined(NamedTuple):
    """The answer to a worker that joins."""

    limits: Limits
    """Those in force."""
    changes: tuple[LimitChange, ...]
    new_keys: tuple[str, ...] = ()
    """Accounts that another key pays for from now on."""


class Workers(LedgerPart):
    """The living workers."""

    def join(
        self, vendor: Vendor, worker: WorkerRecord | None = None, *, account: str = DEFAULT, check_only: bool = False
    ) -> Joined:
        """Check that the ledger belongs to this vendor; bind an unbound one, unless `check_only`.

        A `worker` is shown for LIFE_MS, and its limits count. Raises WrongOwner.
        """
        return self._join({account: vendor}, worker, named=False, check_only=check_only)

    def join_accounts(
        self, vendors: Mapping[str, Vendor], worker: WorkerRecord | None = None, *, check_only: bool = False
    ) -> Joined:
        """Show a worker, and bind the ledger to the vendors of the accounts that settings name.

        A new key of an account replaces the old one. Raises as `join`.
        """
        return self._join(vendors, worker, named=True, check_only=check_only)

    def _join(
        self, vendors: Mapping[str, Vendor], worker: WorkerRecord | None, *, named: bool, check_only: bool
    ) -> Joined:
        arguments: dict[str, Any] = {"named": named, "check_only": check_only}
        arguments["vendors"] = [{"name": name, **vendor._asdict()} for name, vendor in vendors.items()]
        if worker is not None:
            record = worker.model_dump(mode="json", exclude={"worker_id", "at", "accounts"})
            record["limits"] = worker.limits.named()
            if worker.accounts:
                record["accounts"] = {name: one.as_record() for name, one in worker.accounts.items()}
            arguments["worker"] = {"id": worker.worker_id, "record": record}
        answer = self._scripts.run("join", **arguments, life_ms=LIFE_MS, before_ms=BEFORE_MS)
        if answer["refused"] == "salt":
            raise LedgerUnavailable("Another worker has just bound the ledger to its account; ask again.")
        if answer["refused"] == "jobs":
            raise WrongOwner(left_out(answer["account"], answer["jobs"]))
        if answer["refused"] == "pinned":
            raise WrongOwner(left_out_pin(answer["account"], answer["tenant"]))
        if answer["refused"]:
            own, account = Vendor(answer["address"], answer["simulated"], answer["key"]), answer["account"]
            raise WrongOwner(refusal(answer["refused"], own, vendors[account], account))
        changes = tuple(_change(*change) for change in listed(answer.get("changes")))
        return Joined(Limits.from_ledger(answer.get("limits", {})), changes, tuple(listed(answer.get("new_keys"))))

    def leave(self, worker_id: str) -> None:
        """Remove a worker."""
        with translated():
            self._scripts.client.hdel(self._scripts.key("workers"), worker_id)

    def alive(self) -> list[WorkerRecord]:
        """Return the living workers, the first started first."""
        with translated():
            found = cast("Mapping[str, str]", self._scripts.client.hgetall(self._scripts.key("workers")))
        living_since = self._scripts.now() - LIFE_MS
        records = [_record(worker_id, orjson.loads(text)) for worker_id, text in found.items()]
        return sorted((record for record in records if record.at > living_since), key=lambda one: one.started_at)


def _change(field: str, before: str | Literal[False], now: str, account: str = DEFAULT) -> LimitChange:
    after = Limits.from_ledger({field: now})
    [name] = after.model_fields_set
    was = Limits.from_ledger({field: before} if before else {})
    return LimitChange(name, getattr(was, name), getattr(after, name), account)


def _record(worker_id: str, fields: dict[str, Any]) -> WorkerRecord:
    accounts = {name: _shown(one) for name, one in (fields.get("accounts") or {}).items()}
    own = {"worker_id": worker_id, "limits": Limits.from_ledger(fields["limits"]), "accounts": accounts}
    return WorkerRecord.model_validate(fields | own)


def _shown(one: Mapping[str, Any]) -> AccountShown:
    about = orjson.loads(one["about"])
    return AccountShown(
        limits=Limits.from_ledger(one["limits"]),
        weight=about["weight"],
        labels=listed(about["labels"]),
        api_versions=about["versions"],
        scope=about["scope"],
    )
