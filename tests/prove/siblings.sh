#!/usr/bin/env bash
# Three servers as one: every file from each, 200 clients and one fetch, sources that die.
# Needs SOCKEYE, the release binary. Prints a line for each promise with its figure, and fails if any
# does not hold.
set -euo pipefail
: "${SOCKEYE:?the path of the sockeye binary}"
here=$(cd "$(dirname "$0")" && pwd)
exec python3 "$here/siblings.py" "$SOCKEYE"
