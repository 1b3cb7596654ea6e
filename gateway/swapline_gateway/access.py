"""Who asks: API keys of tenants, their scopes, and how fast they may ask.

A key is looked up and counted in one round trip before a byte of the body is read.
"""

from __future__ import annotations

import math
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from swapline_gateway.schema.problems import Problem
from swapline_producer.contract.access import KEY_PREFIX, Admission, Scope

if TYPE_CHECKING:
    from swapline_gateway.service import Service
    from swapline_producer.client.tenant_view import TenantView

_KEY = re.compile(re.escape(KEY_PREFIX) + r"[A-Za-z0-9_-]{20,100}")

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="swapline"'}


class Caller:
    """An admitted request: its tenant and its limits."""

    def __init__(self, service: Service, admission: Admission) -> None:
        """Keep both."""
        self.service = service
        self.admission = admission

    @property
    def tenant(self) -> str:
        """Whose key it is."""
        return self.admission.key.tenant

    @property
    def max_body(self) -> int:
        """Bytes that a body may have."""
        return self.admission.policy.max_body or self.service.settings.gateway_max_body

    @property
    def view(self) -> TenantView:
        """The jobs of its tenant, and no others."""
        return self.service.producer.for_tenant(self.tenant, by=self.admission.key.key_id)


class Needs(SecurityBase):
    """A dependency that admits requests with a key of this scope."""

    def __init__(self, scope: Scope) -> None:
        """Every route names one."""
        self.scope = scope
        self.scheme_name = "key"
        self.model = HTTPBearer(description="A key of `swapline keys create`: `Authorization: Bearer swk_…`")

    async def __call__(self, request: Request) -> Caller:
        """Admit a request. Raises Problem."""
        service: Service = request.app.state.service
        key = _key_of(request.headers.get("Authorization", ""))
        ledger = service.producer.ledger
        admission = await service.call(ledger.api_keys.admit, key, service.settings.key_limits) if key else None
        if admission is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "Send a key as `Authorization: Bearer swk_…`; `swapline keys create` makes one."
                if not key
                else "There is no such key: it never was, or it is revoked.",
                CHALLENGE,
            )
        request.state.admission = admission
        if admission.retry_after:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate-limited",
                f"The key {admission.key.key_id} has sent too many requests; the next one may come in"
                f" {admission.retry_after:.1f} s.",
                {"Retry-After": str(math.ceil(admission.retry_after))},
                {"charged": False},
            )
        if not admission.key.may(self.scope):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "missing-scope",
                f"The key {admission.key.key_id} lacks the scope {self.scope}; `swapline keys create` makes another.",
                members={"charged": False},
            )
        return Caller(service, admission)


def _key_of(authorization: str) -> str | None:
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" and _KEY.fullmatch(key.strip()) else None


def rate_limit_fields(admission: Admission) -> dict[str, str]:
    """The RateLimit fields of the IETF's draft: what a key has left, and its whole quota."""
    burst, rate = admission.policy.burst or 1, admission.policy.rate or 1.0
    window = max(1, math.ceil(burst / rate))
    return {
        "RateLimit-Policy": f'"key";q={burst};w={window}',
        "RateLimit": f'"key";r={admission.remaining};t={math.ceil(admission.reset)}',
    }
