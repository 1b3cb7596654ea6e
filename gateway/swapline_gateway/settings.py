"""What the gateway needs to know beside what every producer knows."""

from __future__ import annotations

from pydantic import Field

from swapline_producer.contract.access import KeyLimits
from swapline_producer.settings import ProducerSettings


class GatewaySettings(ProducerSettings):
    """The ledger, the store, and the limits of keys that have none of their own."""

    gateway_rate: float = Field(50, ge=0.01, le=100_000, description="requests a second of an API key, in the long run")
    gateway_burst: int = Field(200, ge=1, le=1_000_000, description="requests at once of an API key")
    gateway_max_body: int = Field(
        10_500_000, ge=1024, le=100_000_000, description="bytes of a request's body; 10 MB is a picture in base64"
    )

    @property
    def key_limits(self) -> KeyLimits:
        """The limits of a key that has none of its own."""
        return KeyLimits(rate=self.gateway_rate, burst=self.gateway_burst, max_body=self.gateway_max_body)
