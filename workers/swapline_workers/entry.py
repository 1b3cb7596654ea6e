"""What `celery -A swapline_workers.entry …` loads."""

import sys

from swapline_producer.errors import SettingsError
from swapline_producer.foreign_text import visible
from swapline_producer.settings import load
from swapline_workers.celery_app import build_app
from swapline_workers.settings import AppSettings

try:
    settings = load(AppSettings)
    app = build_app(settings, settings.dispatch)
except SettingsError as error:
    sys.exit(f"swapline: this program cannot start.\n{visible(error, lines=True)}")
