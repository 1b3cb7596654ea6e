"""What the gateway answers of an account: use, capacity, secrets, receivers and failed webhooks."""

from __future__ import annotations

from swapline_gateway.schema.views import Timestamp, View
from swapline_producer.contract import Notification


class DayUsage(View):
    """Credits of one day."""

    day: str
    """UTC."""
    credits: int


class Usage(View):
    """Credits of a tenant."""

    tenant: str
    credits_per_day: int | None
    """Its cap; null where it has none."""
    days: list[DayUsage]


class Capacity(View):
    """How busy the installation is."""

    slots: int
    in_flight: int
    waiting: int
    """Of all tenants."""
    waiting_of_tenant: int
    paused: bool
    """Submissions wait: the vendor refuses the account, or is away."""
    seconds_per_swap: float | None
    """Mean service time; null until twenty swaps have ended."""
    swaps_per_hour: int | None
    seconds_to_empty_line: float | None


class Secret(View):
    """A webhook secret of a tenant, without the secret."""

    id: str
    created_at: Timestamp
    until: Timestamp | None
    """It signs until then; null: until it is deleted."""


class NewSecret(Secret):
    """A webhook secret, shown this once."""

    secret: str


class Secrets(View):
    """Webhook secrets, the oldest first."""

    secrets: list[Secret]


class Endpoint(View):
    """A receiver that fails or is disabled."""

    id: str
    address: str
    error: str
    status: int | None
    failures: int
    failing_since: Timestamp | None
    disabled_at: Timestamp | None
    reason: str | None


class Endpoints(View):
    """Receivers that fail or are disabled."""

    endpoints: list[Endpoint]


class Delivery(View):
    """A webhook that was not delivered (yet)."""

    id: str
    """Of the swap, or batch:TENANT:NAME."""
    event: str
    notification: Notification
    attempts: int
    endpoint: str


class Deliveries(View):
    """Webhooks in trouble."""

    deliveries: list[Delivery]


class Replayed(View):
    """What became of webhooks that were given up."""

    replayed: int
    endpoint_disabled: int
    moved_on: int
