"""What `celery -A swapline_workers.entry …` loads."""

import sys

from swapline_producer.errors import SettingsError
from swapline_producer.foreign_text import visible
from swapline_producer.settings import ProducerSettings, load
from swapline_workers.celery_app import build_app

try:
    app = build_app(load(ProducerSettings))
except SettingsError as error:
    sys.exit(f"swapline: this program cannot start.\n{visible(error, lines=True)}")
