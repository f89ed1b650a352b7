#!/usr/bin/env bash
# Files that change while they are asked for 10,000 times a second: never a mixture, never late.
# Needs SOCKEYE and BENCH, the release binaries. Arguments go to the checker: --seconds N,
# --only rename,in-place,same-stamp,hard. Prints a line for each way in which a file changes, and fails
# if any does not hold.
set -euo pipefail
: "${SOCKEYE:?the path of the sockeye binary}" "${BENCH:?the path of the bench binary}"
"$BENCH" swap --sockeye "$SOCKEYE" "$@"
