#!/usr/bin/env bash
# Receiving, the key and https: strace, kill -9, full disks, two machines, slowhttptest, only curl.
# Needs SOCKEYE, the release binary, and root for namespaces and mounts. Prints a line for each
# promise with its figure, and fails at the first that does not hold. With arguments only those
# parts run: order killed full machines curl slow tls. Pictures are left in
# target/prove/receiving.
set -euo pipefail
: "${SOCKEYE:?the path of the sockeye binary}"
SOCKEYE=$(realpath "$SOCKEYE")
export SOCKEYE
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/prove/receiving
pictures=$root/target/prove/receiving
work=$(mktemp -d)
hub_side=sockeye-$$-hub
guest_side=sockeye-$$-guest
server=
finish() {
    if [ -n "$server" ]; then kill -9 "$server" 2>/dev/null || true; fi
    # The cable goes with its ends.
    ip netns del "$hub_side" 2>/dev/null || true
    ip netns del "$guest_side" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

held() { printf 'held   %-62s %s\n' "$1" "${2:-}"; }
broken() { printf 'BROKEN %-62s %s\n' "$1" "${2:-}"; exit 1; }

[ "$(id -u)" -eq 0 ] || broken "root is here" "namespaces and mounts are made by root alone"

# Two machines with a cable between them: the hub's has the address of the README's lines.
make_machines() {
    ip netns add "$hub_side"
    ip netns add "$guest_side"
    ip -n "$hub_side" link add cable type veth peer name cable netns "$guest_side"
    ip -n "$hub_side" address add 192.168.1.7/24 dev cable
    ip -n "$guest_side" address add 192.168.1.8/24 dev cable
    for side in "$hub_side" "$guest_side"; do
        ip -n "$side" link set lo up
        ip -n "$side" link set cable up
    done
    printf '#!/bin/sh\nexec ip netns exec %s chromium "$@"\n' "$guest_side" >"$work/chromium"
    chmod +x "$work/chromium"
}

prove_order() { python3 "$here/order.py" "$work"; }

prove_killed() { python3 "$here/killed.py" "$work/killed" "${SOCKEYE_ROUNDS:-100}" "${SOCKEYE_SEED:-$RANDOM}"; }

prove_full() { unshare -m python3 "$here/full.py" "$work"; }

prove_machines() {
    rm -rf "$pictures"
    mkdir -p "$pictures"
    (cd "$root/tests/browser" && npm ci --silent --no-audit --no-fund)
    CHROMIUM=$work/chromium node "$here/join.mjs" "$hub_side" 192.168.1.7 "$work" "$pictures"
    held "pictures of each step" "$(cd "$pictures" && find . -name '*.png' | wc -l) in ${pictures#"$root"/}"
}

# The README's lines: as they stand on the hub's own machine, then on another by somebody who has
# curl and the key and nothing else of ours, with the hub's address in place of 127.0.0.1.
prove_curl() {
    local home=$work/home guest=$work/guest-home lines=$work/lines key
    awk '/^#/{ inside = /With curl and the key$/ } inside && /^```$/{ shown = 0 } inside && shown
        inside && /^```sh$/{ shown = 1 }' "$root/README.md" >"$lines"
    [ "$(grep -c curl "$lines")" -ge 5 ] || broken "the README has lines for curl"
    mkdir -p "$home" "$guest" "$work/bin"
    ln -s "$SOCKEYE" "$work/bin/sockeye"
    head -c 3000000 /dev/urandom >"$home/photo.jpg"
    cp "$home/photo.jpg" "$guest"
    # Any answer of 400 or more is a failure.
    printf 'fail-with-body\nsilent\nshow-error\n' | tee "$home/.curlrc" >"$guest/.curlrc"

    start_for_curl "$home"
    run_lines "$hub_side" "$home" "$lines"
    stop_for_curl "$home"
    start_for_curl "$home"
    key=$(env -u XDG_DATA_HOME HOME="$home" "$SOCKEYE" key)
    { echo "export SOCKEYE_KEY=$key"; grep curl "$lines" | sed 's/127\.0\.0\.1/192.168.1.7/g'; } >"$lines.guest"
    run_lines "$guest_side" "$guest" "$lines.guest"
    local status
    status=$(ip netns exec "$guest_side" curl -s -o "$work/refused" -w '%{http_code}' http://192.168.1.7:8080/)
    [ "$status" = 401 ] || broken "without the key: 401" "$status"
    held "without the key: 401" "$(head -n 1 "$work/refused" | cut -c1-60)"
    stop_for_curl "$home"
    ! grep -q "$key" "$work/log" || broken "the key is in no line of the log" "$(grep -m 1 "$key" "$work/log")"
    held "the key is in no line of the log" "$(wc -l <"$work/log") lines"
}

# run_lines SIDE HOME LINES: each line in one shell after those before it that set something.
run_lines() {
    local line answer set_up=""
    while IFS= read -r line; do
        case "$line" in export*) set_up+=$line$'\n' && continue ;; esac
        answer=$(cd "$2" && printf 'set -eu\n%s%s\n' "$set_up" "$line" \
            | env -u XDG_DATA_HOME HOME="$2" PATH="$work/bin:$PATH" ip netns exec "$1" bash 2>&1) \
            || broken "$line" "$answer"
        held "$line" "$(head -n 1 <<<"$answer" | cut -c1-60)"
    done <"$3"
}

start_for_curl() {
    rm -rf "$work/shared"
    mkdir "$work/shared"
    printf 'what is there\n' >"$work/shared/list.txt"
    env -u XDG_DATA_HOME HOME="$1" ip netns exec "$hub_side" "$SOCKEYE" up "$work/shared" --lan --uploads \
        --addr 192.168.1.7 >"$work/told" 2>>"$work/log" &
    server=$!
    for _ in $(seq 200); do
        grep -q 'Ctrl-C ends it' "$work/told" && return
        sleep 0.05
    done
    broken "the hub starts" "$(cat "$work/told" "$work/log")"
}

stop_for_curl() {
    for name in trip/photo.jpg photo.jpg; do
        [ ! -e "$work/shared/$name" ] || cmp "$1/photo.jpg" "$work/shared/$name" || broken "what was sent is there"
    done
    held "what was sent is whole" "$(cd "$work/shared" && find . -type f | sort | paste -sd' ')"
    kill -INT "$server"
    wait "$server" || broken "Ctrl-C ends the hub with exit code 0" "$?"
    server=
}

prove_slow() { python3 "$here/slow.py" "$work" "${SOCKEYE_SECONDS:-20}"; }

prove_tls() { bash "$root/tests/prove/tls.sh"; }

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(order killed full machines curl slow tls)
make_machines
for part in "${parts[@]}"; do
    declare -F "prove_$part" >/dev/null || broken "there is a part named $part"
    begun=$SECONDS
    "prove_$part"
    printf '       %s took %s s\n' "$part" "$((SECONDS - begun))"
done
