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
    [ -n "$server" ] && kill -9 "$server" 2>/dev/null || true
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

# The README's lines by somebody who has curl and the key, and nothing else of ours.
prove_curl() {
    # A line of the README is run as it stands; what it says of the key is what the hub is given.
    awk '/^## /{ inside = /^## With curl and the key/ } inside && /^    /{ print substr($0, 5) }' \
        "$root/README.md" >"$work/lines"
    local key
    key=$(sed -n 's/^KEY=//p' "$work/lines")
    [ -n "$key" ] || broken "the README has lines with KEY="
    mkdir -p "$work/shared/films" "$work/guest-home"
    printf 'what is there\n' >"$work/shared/list.txt"
    head -c 3000000 /dev/urandom >"$work/guest-home/photo.jpg"
    SOCKEYE_JOIN_KEY=$key ip netns exec "$hub_side" "$SOCKEYE" up "$work/shared" --lan --uploads \
        --addr 192.168.1.7 --port 8080 --ephemeral --quiet >"$work/out" 2>&1 &
    server=$!
    for _ in $(seq 200); do
        grep -q '^listening on http' "$work/out" && break
        sleep 0.05
    done
    cd "$work/guest-home"
    local line lines=0
    while IFS= read -r line; do
        # Each line in the same shell as those before it, so that KEY is set once.
        printf '%s\n' "$line" >>"$work/so-far"
        case "$line" in curl*) ;; *) continue ;; esac
        local answer
        answer=$({ grep -v '^curl' "$work/so-far"; printf '%s --fail-with-body -sS\n' "$line"; } \
            | ip netns exec "$guest_side" sh -eu 2>&1) || broken "$line" "$answer"
        lines=$((lines + 1))
        held "$line" "$(printf '%s' "$answer" | head -n 1 | cut -c1-70)"
    done <"$work/lines"
    [ "$lines" -ge 7 ] || broken "the README's lines with curl" "only $lines"
    for name in photo.jpg films/photo.jpg; do
        cmp "$work/guest-home/photo.jpg" "$work/shared/$name" || broken "what was sent is there" "$name"
    done
    held "what was sent by them is there, byte for byte" "$(find "$work/shared" -type f | wc -l) files"
    local status
    status=$(ip netns exec "$guest_side" curl -s -o "$work/refused" -w '%{http_code}' http://192.168.1.7:8080/)
    [ "$status" = 401 ] || broken "without the key" "$status"
    held "without the key" "$status $(head -n 1 "$work/refused" | cut -c1-60)"
    cd "$root"
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
