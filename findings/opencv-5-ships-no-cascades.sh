#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93 and 4.14.0.94 (Python 3.11, Linux): whether face cascades come with the package.
#
# The guess that was wrong: cv2.data.haarcascades is a folder of cascades, and cv2.CascadeClassifier reads them.
# Seen: so it is in 4.14. In 5.0 the name is still there, its folder has no cascade, and the class is gone.
#
# Output:
#   5.0.0: 0 cascades, CascadeClassifier: False
#   4.14.0: 17 cascades, CascadeClassifier: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/ask.py" <<'PY'
from pathlib import Path

import cv2

number = len(list(Path(cv2.data.haarcascades).glob("*.xml")))
print(f"{cv2.__version__}: {number} cascades, CascadeClassifier: {hasattr(cv2, 'CascadeClassifier')}")
PY
for version in 5.0.0.93 4.14.0.94; do
	python3 -m venv "$folder/$version"
	"$folder/$version/bin/pip" install --quiet --disable-pip-version-check "opencv-python-headless==$version"
	"$folder/$version/bin/python" "$folder/ask.py"
done | tee "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   \([45]\.\)/\1/p' "$0")
