"""Who takes requests in a world: a backend with the library, and the gateway's app with its own routes."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from simulation.ports import SimStorage
from simulation.process import Process
from swapline_gateway.app import build_app
from swapline_gateway.service import Service
from swapline_gateway.settings import GatewaySettings
from swapline_producer import Producer
from swapline_producer.contract.access import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from simulation.world import World
    from swapline_producer.storage import Storage

TENANTS = "ab"


@cache
def settings() -> GatewaySettings:
    """The defaults, whatever the environment has."""
    return GatewaySettings.model_construct(storage_url="memory://")


@cache
def _app() -> FastAPI:
    """The gateway's app, which is made once: a world puts its own service into it."""
    return build_app(cast("Service", _Threadless(cast("Producer", None), settings())))


class _Threadless(Service):
    """The gateway's service, whose calls of ledger and store are made by the fibre of the request."""

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    async def call_with_picture(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)


class Backend(Process):
    """Makes jobs with the library."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.producer = Producer(settings(), self.ledger, self.broker, cast("Storage", SimStorage(world, self)))


class Gateway(Backend):
    """Answers HTTP requests."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._service = _Threadless(self.producer, settings())
        keys = world.own.ledger.api_keys
        self._keys = {tenant: keys.create(tenant, (Scope.READ, Scope.WRITE))[0] for tenant in TENANTS}

    def ask(self, tenant: str, path: str, body: dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
        """Answer one POST of a tenant: status, and the body's JSON."""
        sent: list[dict[str, Any]] = []
        app, data = _app(), json.dumps(body).encode()
        app.state.service = self._service
        given = {"authorization": f"Bearer {self._keys[tenant]}", "content-type": "application/json", **headers}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "server": ("gateway.example", 443),
        }
        answering = app(scope, receive, send)
        try:
            answering.send(None)
        except StopIteration:
            answer = b"".join(message.get("body", b"") for message in sent)
            return int(sent[0]["status"]), json.loads(answer)
        finally:
            answering.close()
        raise AssertionError("the gateway waits for an event loop, of which a world has none")
