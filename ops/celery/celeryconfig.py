"""Settings with which any program of Celery's finds Swapline's workers: `celery inspect`, exporters, `celery events`.

    SWAPLINE_REDIS_URL=redis://… PYTHONPATH=ops/celery celery --config celeryconfig inspect ping

See docs/guides/monitoring-celery.md. Only redis:// and rediss:// URLs; SWAPLINE_KEY_PREFIX as the workers have it.
"""

import os

_prefix = os.environ.get("SWAPLINE_KEY_PREFIX", "swapline")

broker_url = os.environ.get("SWAPLINE_REDIS_URL", "redis://localhost:6379/0")
control_exchange = f"{_prefix}.control"
event_exchange = f"{_prefix}.events"
event_queue_prefix = f"{_prefix}.events"
broker_transport_options = {"fanout_prefix": f"/{_prefix}-{{db}}."}
