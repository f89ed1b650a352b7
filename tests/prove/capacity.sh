#!/usr/bin/env bash
# Thousands of clients on each driver: all are answered, what an idle and what a deaf one costs.
# Needs SOCKEYE, the release binary. Prints a line for each promise with its figure, and fails at
# the first that does not hold.
set -euo pipefail
: "${SOCKEYE:?the path of the sockeye binary}"
exec python3 "$(dirname "$0")/capacity.py" "$SOCKEYE"
