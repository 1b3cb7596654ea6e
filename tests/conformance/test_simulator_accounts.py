"""Several accounts of one simulated vendor: a call is for the account of its key."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
import requests
from pydantic import ValidationError

from swapline_simulator import Simulator, SimulatorConfig
from swapline_simulator.errors import SimulatorError

if TYPE_CHECKING:
    from collections.abc import Generator

ORDER = {"base64": "https://pictures.example.com/me.jpg", "gender": 0, "filter_id": 12}


@pytest.fixture
def vendor() -> Generator[Simulator]:
    accounts = {"b": {"key": "b-key", "cap": 1, "credits": 4}}
    values = {"key": "a-key", "service_time": "fixed:600", "results": "small", "accounts": accounts}
    with Simulator(SimulatorConfig.model_validate(values)) as running:
        yield running


def submit(vendor: Simulator, key: str) -> requests.Response:
    headers = {"X-API-Key": key}
    return requests.post(f"{vendor.url}/v6/run/face_swap", json=ORDER, headers=headers, timeout=10)


def test_each_account_has_its_own_cap_credits_and_jobs(vendor: Simulator) -> None:
    mine, theirs = submit(vendor, "a-key"), submit(vendor, "b-key")
    assert mine.json()["id"] != theirs.json()["id"]
    assert submit(vendor, "b-key").status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert submit(vendor, "a-key").status_code == HTTPStatus.OK
    assert submit(vendor, "c-key").status_code == HTTPStatus.UNAUTHORIZED
    assert (vendor.control.report().credits_spent, vendor.control.of("b").report().credits_spent) == (4, 2)
    assert vendor.control.of("b").report().over_cap == 1


def test_a_job_of_one_account_is_unknown_to_another(vendor: Simulator) -> None:
    job_id = submit(vendor, "a-key").json()["id"]
    url = f"{vendor.url}/v6/status/{job_id}"
    assert requests.post(url, headers={"X-API-Key": "b-key"}, timeout=10).status_code == HTTPStatus.NOT_FOUND


def test_misbehaviour_and_changes_are_of_one_account(vendor: Simulator) -> None:
    vendor.control.of("b").set_mode("submit_401")
    assert submit(vendor, "b-key").status_code == HTTPStatus.UNAUTHORIZED
    assert submit(vendor, "a-key").status_code == HTTPStatus.OK
    vendor.control.of("b").change(key="new-key", clear_modes=True)
    assert submit(vendor, "b-key").status_code == HTTPStatus.UNAUTHORIZED
    assert submit(vendor, "new-key").status_code == HTTPStatus.OK
    with pytest.raises(SimulatorError, match="404"):
        vendor.control.of("c").report()


def test_two_accounts_of_one_key_are_refused() -> None:
    with pytest.raises(ValidationError, match="two accounts have the same key"):
        SimulatorConfig.model_validate({"key": "a", "accounts": {"b": {"key": "a"}}})
