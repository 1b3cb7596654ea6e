#!/usr/bin/env bash
# standardwebhooks 1.1.0 and svix 2.9.1 (Python 3.11, Linux): Webhook.sign with an aware datetime that is not in UTC.
#
# The guess that was wrong: an aware datetime is an instant; the signature is over its Unix time, whatever its zone.
# Seen: the zone is replaced by UTC, not converted, so the signature is over another second than timestamp() of the same
# object gives, off by the zone's offset, and every receiver refuses it. A naive datetime is taken as UTC as well, where
# Python's timestamp() takes it as local time: datetime.now() signs well on servers that run in UTC only.
#
# Output:
#   standardwebhooks, UTC: verified
#   standardwebhooks, Asia/Tokyo: No matching signature found; it is over a second 32400 later
#   svix, UTC: verified
#   svix, Asia/Tokyo: No matching signature found; it is over a second 32400 later
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0 svix==2.9.1 tzdata==2026.6
cat >"$folder/ask.py" <<'PY'
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import standardwebhooks.webhooks
import svix.webhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type": "swap.succeeded"}'
now = datetime.now(UTC).replace(microsecond=0)
for library in (standardwebhooks, svix):
    webhook = library.webhooks.Webhook(SECRET)
    for zone in ("UTC", "Asia/Tokyo"):
        instant = now.astimezone(ZoneInfo(zone))
        signature = webhook.sign("msg_1", instant, BODY)
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        headers = dict(zip(names, ("msg_1", str(int(instant.timestamp())), signature), strict=True))
        try:
            webhook.verify(BODY, headers)
            found = "verified"
        except library.webhooks.WebhookVerificationError as error:
            later = next(s for s in range(0, 86_400, 900) if webhook.sign("msg_1", now + timedelta(seconds=s), BODY) == signature)
            found = f"{error}; it is over a second {later} later"
        print(f"{library.__name__}, {zone}: {found}")
PY
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
