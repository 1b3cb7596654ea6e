"""What befalls the vendor's accounts during a storm."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pydantic import SecretStr

from swapline_producer.contract import ApiVersion
from swapline_producer.errors import NotPossible

if TYPE_CHECKING:
    import random

    from simulation.accounts import Account
    from simulation.world import World

LEARNED_S = 5.0
"""From one check whether workers have learned of a changed file, or jobs have ended, to the next."""
FAILURES_S = (5.0, 40.0, 200.0)


class Troubles:
    """What befalls accounts, one at a time each: a fibre each, and all is well again after the storm."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.acts = [self._revoke, self._run_out, self._go_down, self._slow_down, self._answer_late]
        if len(world.accounts) > 1:
            self.acts += [self._drain, self._drain, self._rotate, self._rotate, self._pin, self._go_wrong_together]
            self.acts += [self._leave_out, self._leave_out]

    def befall(self, rng: random.Random) -> None:
        """Do one of them."""
        account = rng.choice(list(self._world.accounts.values()))
        rng.choice(self.acts)(account, rng)

    def drain(self, name: str, rng: random.Random) -> None:
        """Drain an account for a while."""
        self._drain(self._world.accounts[name], rng)

    def end(self) -> None:
        """Restore every account."""
        for account in self._world.accounts.values():
            account.revoked = account.down = account.empty = False
            self._world.scheduler.spawn(partial(self._resume, account))
        self.name_again("the storm is over")

    def _wait(self, rng: random.Random) -> None:
        self._world.sleep(rng.choice(FAILURES_S) * (0.5 + rng.random()))

    def _revoke(self, account: Account, rng: random.Random) -> None:
        self._world.note(f"the key of the account {account.name} is revoked")
        account.revoked = True
        self._wait(rng)
        account.revoked = False
        self._world.note(f"the key of the account {account.name} is restored")

    def _run_out(self, account: Account, rng: random.Random) -> None:
        self._world.note(f"the account {account.name} is out of credits")
        account.empty = True
        self._wait(rng)
        account.empty = False
        self._world.note(f"credits are bought for the account {account.name}")

    def _go_down(self, account: Account, rng: random.Random) -> None:
        self._world.note(f"the vendor of the account {account.name} is down")
        account.down = True
        self._wait(rng)
        account.down = False
        self._world.note(f"the vendor of the account {account.name} is up")

    def _go_wrong_together(self, account: Account, rng: random.Random) -> None:
        """The vendor of all is down, and one account is out of credits for longer."""
        self._go_wrong(account, rng)
        self._wait(rng)
        account.empty = False
        self._world.note(f"credits are bought for the account {account.name}")

    def _go_wrong(self, account: Account, rng: random.Random) -> None:
        self._world.note(f"all vendors are down, and the account {account.name} is out of credits for longer")
        account.empty = True
        for one in self._world.accounts.values():
            one.down = True
        self._world.sleep(rng.random() * 20)
        for one in self._world.accounts.values():
            one.down = False

    def _slow_down(self, account: Account, rng: random.Random) -> None:
        self._world.note(f"the account {account.name} is slow")
        before, account.pace = account.pace, 6.0
        self._wait(rng)
        account.pace = before

    def _answer_late(self, _account: Account, rng: random.Random) -> None:
        vendor, seconds = self._world.vendor, rng.choice(FAILURES_S)
        self._world.note(f"the vendor answers paid calls late for {seconds:.0f} s")
        vendor.slow_until = max(vendor.slow_until, self._world.scheduler.now + seconds)

    def _drain(self, account: Account, rng: random.Random) -> None:
        world = self._world
        if account.name == world.left_out or account.drained_at is not None:
            return
        try:
            world.own.ledger.pool.set_drained(account.name, drained=True)
        except NotPossible:  # a restart has lost that workers know it again
            return
        world.note(f"the account {account.name} is drained")
        account.drained_at = world.server_now()
        self._wait(rng)
        self._resume(account)

    def _resume(self, account: Account) -> None:
        """Give it jobs again, once the workers know it."""
        world = self._world
        while True:
            try:
                world.own.ledger.pool.set_drained(account.name, drained=False)
            except NotPossible:
                world.sleep(LEARNED_S)
            else:
                break
        world.note(f"the account {account.name} is resumed")
        account.drained_at = None

    def _leave_out(self, account: Account, rng: random.Random) -> None:
        """The file lacks an account for a while: drained, as the guide has it, or at once; perhaps it refuses jobs."""
        world = self._world
        first = next(iter(world.accounts))  # it has all versions
        if account.name == first or world.left_out or account.drained_at is not None:
            return
        if is_drained := rng.random() < 0.5:
            with suppress(NotPossible):  # a restart has lost that workers know it again
                world.own.ledger.pool.set_drained(account.name, drained=True)
            account.drained_at = world.server_now()
        elif rng.random() < 0.5:
            self._go_wrong(account, rng)
        world.note(f"the account {account.name} is to be left out{', and drained' if is_drained else ''}")
        for _ in range(60 if is_drained else 0):
            if not world.server.zcard(f"{world.prefix}:jobs:{account.name}"):
                break
            world.sleep(LEARNED_S)
        if world.faults.raging and not world.left_out:
            world.note(f"the file lacks the account {account.name}")
            world.left_out = account.name
            world.accounts_changed += 1
            self._wait(rng)
            if world.left_out == account.name:
                self.name_again("it is wanted again")
        account.empty = False
        if is_drained:
            self._resume(account)

    def name_again(self, why: str) -> None:
        """The file has all accounts again."""
        world = self._world
        if world.left_out:
            world.note(f"the file names the account {world.left_out} again: {why}")
            world.left_out = None
            world.accounts_changed += 1

    def _rotate(self, account: Account, rng: random.Random) -> None:
        """A new key, which workers learn within ten seconds or so; the old one goes on for as long, or not at all."""
        world = self._world
        new = f"{account.key}+"
        world.note(f"the key of the account {account.name} is rotated")
        account.settings = account.settings.model_copy(update={"key": SecretStr(new)})
        account.rotated_at = world.scheduler.now
        world.accounts_changed += 1
        world.vendor.issued[new] = account
        account.valid.add(new)
        if rng.random() < 0.5:
            world.sleep(30.0)
        account.valid = {account.key}

    def _pin(self, account: Account, rng: random.Random) -> None:
        """A tenant's jobs run on one account or label only, those that wait among them; later on all again."""
        world = self._world
        tokens = [account.name, *account.settings.labels]
        token, tenant = rng.choice(tokens), rng.choice("ab")
        if any(ApiVersion.V5 not in one.settings.api_versions for one in world.accounts.values()):
            return  # a job of a version that no account of its tenant has would wait for ever
        try:
            world.own.ledger.pool.pin(tenant, [token])
        except NotPossible:  # it is left out
            return
        world.note(f"the tenant {tenant} is pinned to {token}")
        if rng.random() < 0.5:
            self._pin_elsewhere(tenant, token, rng)
        self._wait(rng)
        world.note(f"the tenant {tenant} is on all accounts again")
        world.own.ledger.pool.pin(tenant, [])

    def _pin_elsewhere(self, tenant: str, token: str, rng: random.Random) -> None:
        """The tenant's accounts refuse its jobs, which then may use others."""
        world = self._world
        mine = world.serving(token)
        others = [name for name, one in world.accounts.items() if one not in mine and name != world.left_out]
        world.note(f"the accounts of {token} are out of credits")
        for one in mine:
            one.empty = True
        self._wait(rng)
        if others:
            with suppress(NotPossible):
                world.own.ledger.pool.pin(tenant, [rng.choice(others)])
                world.note(f"the tenant {tenant} is pinned elsewhere")
        self._wait(rng)
        for one in mine:
            one.empty = False
