"""The vendor's accounts as `SWAPLINE_ACCOUNTS` names them: JSON, or the path of a file that is read again.

No error and no log line repeats a key.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, TypeAdapter, ValidationError

from swapline_producer.contract import MOST_CREDITS, ApiVersion, Frozen
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.values import AccountName, no_bool
from swapline_producer.environment.secret_files import read_setting
from swapline_producer.errors import SettingsError
from swapline_producer.ledger.accounts.registry import DEFAULT
from swapline_producer.ledger.accounts.workers import AccountShown
from swapline_producer.operations.vendors import address_of
from swapline_producer.settings import UNUSED_URL, base_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from swapline_producer.settings import VendorSettings

SETTING = "SWAPLINE_ACCOUNTS"

MOST_ACCOUNTS = 100
"""Each is shown to the ledger every ten seconds, and looked at by each claim."""

SCOPE_LENGTH = 8
"""Hexadecimal digits that tell one vendor's address from another's."""

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Of each file read: time of change, size and inode; None where it is missing."""


class AccountSettings(Frozen):
    """The address, key and limits of one account."""

    name: AccountName
    base_url: Annotated[str, AfterValidator(base_url)]
    key: SecretStr
    key_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
    key_prefix: str = ""
    max_in_flight: Annotated[int, Field(ge=1, le=10_000), BeforeValidator(no_bool)] = 3
    submit_rate: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    credits_per_day: Annotated[int, Field(ge=0, le=MOST_CREDITS), BeforeValidator(no_bool)] | None = None
    api_versions: Annotated[tuple[ApiVersion, ...], Field(min_length=1)] = tuple(ApiVersion)
    weight: Annotated[float, Field(gt=0, le=1_000), BeforeValidator(no_bool)] = 1.0
    labels: Annotated[tuple[AccountName, ...], Field(max_length=20)] = ()

    @property
    def api_base_url(self) -> str:
        """Return its address, as `VendorSettings` names it."""
        return self.base_url

    @property
    def api_key(self) -> SecretStr:
        """Return its key, as `VendorSettings` names it."""
        return self.key

    def shown(self, scope: str) -> AccountShown:
        """Return what the ledger may know of it."""
        return AccountShown(
            limits=Limits(
                max_in_flight=self.max_in_flight, submit_rate=self.submit_rate, credits_per_day=self.credits_per_day
            ),
            weight=self.weight,
            labels=self.labels,
            api_versions=self.api_versions,
            scope=scope,
        )


Accounts = dict[str, AccountSettings]
"""By name."""

_LIST: TypeAdapter[list[dict[str, Any]]] = TypeAdapter(list[dict[str, Any]])
_EACH: TypeAdapter[list[AccountSettings]] = TypeAdapter(list[AccountSettings])


class AccountsSource:
    """The setting, and the files that it names."""

    def __init__(self, text: str, defaults: Mapping[str, Any]) -> None:
        """`defaults` are fields of accounts that leave them out. Nothing is read yet."""
        text = text.strip()
        self.file = None if text.startswith(("[", "{")) else Path(text)
        self._text = text
        self._defaults = defaults
        self._files: list[Path] = [self.file] if self.file else []

    def read(self) -> Accounts:
        """Read the accounts. Raises SettingsError with one sentence."""
        text = self._text if self.file is None else read_setting(SETTING, str(self.file))
        files: list[Path] = [self.file] if self.file else []
        try:
            given = [self._with_key(one, files) for one in _LIST.validate_json(text)]
            accounts = _EACH.validate_python(given)
        except ValidationError as error:
            raise SettingsError(f"{SETTING} is wrong: {_first_problem(error)}.") from None
        self._files = files
        _check(accounts)
        return {one.name: one for one in accounts}

    def stamp(self) -> Stamp:
        """Return the present stamp of the files read."""
        return tuple(_stamp(file) for file in self._files)

    def _with_key(self, one: dict[str, Any], files: list[Path]) -> dict[str, Any]:
        """Fill in the defaults, and the key of `key_file`."""
        given = {**self._defaults, **one}
        key_file = given.pop("key_file", None)
        if key_file is not None and "key" not in one:
            files.append(Path(str(key_file)))
            given["key"] = read_setting(f"{SETTING}, key_file of account {one.get('name')!r},", str(key_file))
        elif key_file is not None:
            raise SettingsError(f"{SETTING} is wrong: account {one.get('name')!r} has both key and key_file; keep one.")
        return given


def accounts_source(settings: VendorSettings) -> AccountsSource | None:
    """Return where several accounts are named; None where settings have one. Raises nothing."""
    if settings.accounts is None:
        return None
    own = {"base_url": settings.api_base_url} if settings.api_base_url != UNUSED_URL else {}
    named = settings.model_fields_set
    for field in ("key_header", "key_prefix"):
        if f"api_{field}" in named and hasattr(settings, f"api_{field}"):
            own[field] = getattr(settings, f"api_{field}")
    return AccountsSource(settings.accounts.get_secret_value(), own)


def shown(accounts: Accounts) -> dict[str, AccountShown]:
    """Return what the ledger may know of them."""
    own = address_of(accounts[DEFAULT].base_url) if DEFAULT in accounts else None
    scopes = {name: address_of(one.base_url) for name, one in accounts.items()}
    return {name: one.shown("" if scopes[name] == own else _scope(scopes[name])) for name, one in accounts.items()}


def _scope(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:SCOPE_LENGTH]


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _check(accounts: list[AccountSettings]) -> None:
    if not accounts:
        raise SettingsError(f"{SETTING} is wrong: it names no account.")
    if len(accounts) > MOST_ACCOUNTS:
        raise SettingsError(f"{SETTING} is wrong: it names {len(accounts)} accounts, and {MOST_ACCOUNTS} is the most.")
    names = [one.name for one in accounts]
    for name in _twice(names):
        raise SettingsError(f"{SETTING} is wrong: two accounts have the name {name!r}; give each its own.")
    for name in {*names} & {label for one in accounts for label in one.labels}:
        raise SettingsError(f"{SETTING} is wrong: {name!r} is the name of an account and a label; rename one of them.")
    paid = [(address_of(one.base_url), one.key.get_secret_value()) for one in accounts]
    for pair in _twice(paid):
        same = " and ".join(repr(one.name) for one, mine in zip(accounts, paid, strict=True) if mine == pair)
        raise SettingsError(f"{SETTING} is wrong: {same} have one address and key: they are one account.")


def _twice(values: Iterable[Any]) -> list[Any]:
    return [value for value, number in Counter(values).items() if number > 1]


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = [part for part in first["loc"] if isinstance(part, (int, str))]
    if first["type"] == "json_invalid" or not place:
        return "it must be a JSON list of accounts, or the path of a file with one; is it half written"
    number, field = int(place[0]) + 1, ".".join(str(part) for part in place[1:])
    what = "must be an object" if not field else f"{field}: {first['msg'].removeprefix('Value error, ')}"
    return f"account {number} of the list: {what}"
