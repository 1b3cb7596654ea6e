"""Build the clients of other hosts from settings: vendor, store, receivers of webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from swapline_producer.storage import open_storage
from swapline_workers.adapters.pictures import PictureStore
from swapline_workers.adapters.read_ahead import ReadAhead
from swapline_workers.adapters.vendor import VendorClient
from swapline_workers.adapters.webhook import WebhookSender
from swapline_workers.telemetry.worker_metrics import MeasuredVendor

if TYPE_CHECKING:
    from pydantic import SecretStr

    from swapline_producer.ledger import Ledger
    from swapline_workers.settings import WorkerSettings
    from swapline_workers.steps.ports import Pictures, Vendor, Webhooks
    from swapline_workers.telemetry.tracing import Tracing
    from swapline_workers.telemetry.worker_metrics import WorkerMeter

PICTURE_SPANS = {"input_text": "read input", "store": "store"}


class Account(NamedTuple):
    """An account's address, and which key pays."""

    base_url: str
    key: SecretStr
    key_header: str
    key_prefix: str


def only_account(settings: WorkerSettings) -> Account:
    """Return the account of API_KEY."""
    return Account(settings.api_base_url, settings.api_key, settings.api_key_header, settings.api_key_prefix)


class Clients:
    """Builds clients whose calls are traced."""

    def __init__(self, settings: WorkerSettings, ledger: Ledger, meter: WorkerMeter, tracing: Tracing) -> None:
        """Open the store, not yet connected."""
        self.storage = open_storage(
            settings.storage_url, timeout=settings.storage_timeout, public_url=settings.storage_public_url
        )
        self._settings = settings
        self._ledger = ledger
        self._meter = meter
        self._tracing = tracing

    def vendor(self, account: Account) -> Vendor:
        """Return a client of the vendor for `account`."""
        settings = self._settings
        client = VendorClient(
            base_url=account.base_url,
            key_header=account.key_header,
            key_prefix=account.key_prefix,
            key=account.key,
            submit_timeout=settings.submit_timeout,
            status_timeout=settings.status_timeout,
            inflate=settings.check_pixels,
            max_pictures=settings.max_pictures,
            egress_proxy=settings.egress_proxy,
        )
        spans = {"submit": "POST /run/face_swap", "poll": "POST /status"}
        host = urlsplit(account.base_url).hostname or ""
        return self._tracing.calls(MeasuredVendor(client, self._meter), host, spans, opens={"poll"})

    def pictures(self) -> Pictures:
        """Return the store of pictures. Inputs are read ahead from cloud stores only: a file takes 0.1 ms."""
        if urlsplit(self._settings.storage_url).scheme == "file":
            store = PictureStore(self.storage)
        else:
            store = ReadAhead(self.storage, self._ledger.jobs.next_inputs)
        return self._tracing.calls(store, "", PICTURE_SPANS)

    def webhooks(self) -> Webhooks:
        """Return a sender of webhooks."""
        settings = self._settings
        sender = WebhookSender(
            secrets=settings.webhook_secrets,
            tenant_secrets=settings.webhook_tenant_secrets,
            made_secrets=self._ledger.webhook_secrets.active,
            allow_private=settings.webhook_allow_private,
            timeout=settings.webhook_timeout,
            egress_proxy=settings.egress_proxy,
        )
        return self._tracing.calls(sender, "", {"deliver": "POST webhook"})
