#!/usr/bin/env bash
# Ends the Ceph that up.sh started in a folder, by the ids it wrote down; the folder may be deleted afterwards.
set -euo pipefail
for file in "$1"/run/*.pid; do
	[ -e "$file" ] && kill "$(cat "$file")" || true
done
