#!/usr/bin/env bash
# The machines: 10,000 seeds each, the loops and floods between two namespaces, watch, the wire.
# Needs SOCKEYE, the release binary, and root for the namespaces. Prints a line for each promise
# with its figure, and fails at the first that does not hold.
set -euo pipefail
: "${SOCKEYE:?the path of the sockeye binary}"
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
server=
finish() {
    [ -n "$server" ] && kill -9 "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
cd "$root"

held() { printf 'held   %-62s %s\n' "$1" "${2:-}"; }
broken() { printf 'BROKEN %-62s %s\n' "$1" "${2:-}"; exit 1; }

# tests NAME COMMAND...: runs tests, and says how many held.
tests() {
    local name=$1
    shift
    "$@" >"$work/tests" 2>&1 || { cat "$work/tests"; broken "$name"; }
    local passed
    passed=$(awk '/^test result: ok\./ { sum += $4 } END { print sum }' "$work/tests")
    [ "${passed:-0}" -gt 0 ] || broken "$name" "no test ran"
    held "$name" "$passed tests"
}

seeds=${SOCKEYE_SEEDS:-10000}
for suite in framing echo clock client datagrams loops room raw_files; do
    SOCKEYE_SEEDS=$seeds tests "$seeds seeds of $suite" cargo test --release --quiet -p sockeye-sim --test "$suite"
done
SOCKEYE_SEEDS=$seeds tests "planted bugs are found, and their seeds replay" \
    cargo test --release --quiet -p sockeye-sim --test planted_bug
SOCKEYE_SEEDS=25 tests "the 3-times rule and the loops, between namespaces" \
    cargo test --release --quiet -p sockeye --test namespaces -- --include-ignored
tests "every way in, on every driver, wire and IP version" \
    cargo test --release --quiet -p sockeye --test matrix

python3 tests/prove/watch.py "$SOCKEYE" tcp 30
python3 tests/prove/watch.py "$SOCKEYE" udp 30

"$SOCKEYE" serve clock --on tcp://127.0.0.1:0 --on udp://127.0.0.1:0 --utc --wire \
    >"$work/out" 2>"$work/err" &
server=$!
for _ in $(seq 100); do
    [ "$(grep -c listening "$work/out")" -eq 2 ] && break
    sleep 0.05
done
while read -r url; do
    "$SOCKEYE" clock time "$url" --wire >"$work/answer" 2>"$work/told"
    printf '\nThe wire of %s, as the caller sees it:\n' "$url"
    cat "$work/told"
    netcat=$(sed -n 's/^    \(printf .*\)/\1/p' "$work/told")
    sed -n '/^or in Python:/,$s/^    //p' "$work/told" >"$work/by_hand.py"
    for way in "netcat: $(sh -c "$netcat")" "Python: $(python3 "$work/by_hand.py")"; do
        [[ ${way#*: } =~ ^[0-9]{2}:[0-9]{2}:[0-9]{2}$ ]] || broken "the printed lines do the same" "$way"
        held "the printed lines do the same" "$way"
    done
done < <(sed -n 's/^listening on //p' "$work/out")
kill -INT "$server"
wait "$server" || broken "Ctrl-C ends the server with exit code 0"
server=
printf '\nAnd as the server sees it:\n'
grep -v ' 200 ' "$work/err"
