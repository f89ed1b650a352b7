#!/usr/bin/env bash
# The page: 50,000 entries scrolled, sorted, filtered; a slow phone; axe on every state; pictures.
# Needs SOCKEYE, the release binary, and Chromium. Prints a line for each promise with its figure,
# and fails if one does not hold; the pictures go to the folder that is named, or a new one.
set -euo pipefail
: "${SOCKEYE:?the path of the sockeye binary}"
cd "$(dirname "$0")/../browser"
[ -d node_modules ] || npm ci --silent
pictures=${1:-$(mktemp -d -t sockeye-page-XXXXXX)}
node ../prove/page.mjs "$pictures"
echo "pictures in $pictures"
