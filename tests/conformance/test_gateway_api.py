"""The gateway keeps its own description: schemathesis asks it what openapi.json allows, and what it does not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.redis.fixtures import prefix, valkey
from support.services.gateways import BODY, Gateway, serving
from swapline_gateway.settings import GatewaySettings
from swapline_producer.contract.access import Scope

if TYPE_CHECKING:
    from collections.abc import Generator

    from swapline_workers.local.valkey.server import EmbeddedValkey

__all__ = ["prefix", "valkey"]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/x-ndjson")
def _rows(_: object, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


QUIET = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.fixture(scope="module")
def gateway(valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateway]:
    store = tmp_path_factory.mktemp("store")
    found = GatewaySettings(redis_url=valkey.url, key_prefix="schema", storage_url=store.as_uri())
    with serving(found) as gateway:
        gateway.key = gateway.new_key("acme", Scope.ADMIN, rate=100_000, burst=1_000_000)
        for _ in range(3):
            gateway.post("/v1/swaps", json=BODY | {"batch": "spring"})
        yield gateway


@pytest.fixture(scope="module")
def schema(gateway: Gateway) -> Any:
    return schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")


def _operations() -> list[tuple[str, str]]:
    document = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text())
    return [(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs]


STREAMS = {("GET", "/v1/swaps/{swap_id}/events")}
"""Whose answers do not end by themselves."""


@pytest.mark.parametrize(("verb", "path"), [one for one in _operations() if one not in STREAMS])
def test_a_route_keeps_its_description(gateway: Gateway, schema: Any, verb: str, path: str) -> None:
    """Ask what the description allows and what it does not; a 5xx is a fault either way."""
    operation = schema[path][verb]

    @QUIET
    @given(case=operation.as_strategy() | operation.as_strategy(GenerationMode.NEGATIVE))
    def asked(case: schemathesis.Case[Any]) -> None:
        headers = {"Authorization": f"Bearer {gateway.key}", "Prefer": "wait=0"}
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=30)

    asked()


def test_no_sequence_of_requests_finds_a_fault(gateway: Gateway, schema: Any) -> None:
    """Follow what answers lead to: a swap that was made is shown, canceled and replayed; a batch is sealed."""
    followed: Counter[str] = Counter()
    ending = schema.exclude(path_regex="/events$")  # that answer does not end by itself

    class Caller(ending.as_state_machine()):  # type: ignore[misc]  # it is made at run time
        def before_call(self, case: Any) -> None:
            """Make a swap that can be: a picture at random is none, and then nothing follows."""
            if (case.method, case.operation.path) == ("POST", "/v1/swaps"):
                case.media_type, case.body = "application/json", dict(BODY)
                case.headers = case.query = None

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:  # noqa: ARG002 -- the same for all
            return {"headers": {"Authorization": f"Bearer {gateway.key}", "Prefer": "wait=0"}, "timeout": 30}

        def validate_response(self, response: Any, case: Any, *_: Any, **more: Any) -> None:
            followed[case.operation.path] += response.status_code in {200, 202, 204}
            case.validate_response(response, checks=CHECKS, transport_kwargs=more)

    Caller.run(settings=settings(QUIET, max_examples=30, stateful_step_count=8))
    assert followed["/v1/swaps/{swap_id}"] > 0, followed  # only an id that was answered leads there
    assert followed["/v1/swaps/{swap_id}/cancel"] > 0, followed
