#!/usr/bin/env bash
# A folder as one download: 100 GiB, a million files, what other programs read back, a stalled
# reader; and the same folder by `sockeye get`. Needs SOCKEYE, the release binary. Prints a line for
# each promise with its figure, and fails at the first that does not hold. With arguments only those
# parts run: huge verified many stalled get. SOCKEYE_GIB (100) and SOCKEYE_FILES (1000000) make it
# smaller.
set -euo pipefail
: "${SOCKEYE:?the path of the sockeye binary}"
SOCKEYE=$(realpath "$SOCKEYE")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
memory=
server=
finish() {
    [ -n "$server" ] && kill -9 "$server" 2>/dev/null || true
    rm -rf "$work" ${memory:+"$memory"}
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

held() { printf 'held   %-62s %s\n' "$1" "${2:-}"; }
broken() { printf 'BROKEN %-62s %s\n' "$1" "${2:-}"; exit 1; }
# at_most NAME VALUE BOUND UNIT
at_most() { [ "$2" -le "$3" ] && held "$1" "$2 $4" || broken "$1" "$2 $4, more than $3"; }

missing=()
for pair in curl:curl unzip:unzip bsdtar:libarchive-tools python3:python3; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[ ${#missing[@]} -eq 0 ] || broken "the tools are here" "apt-get install ${missing[*]}"

# start FOLDER: serves it and sets $url.
start() {
    "$SOCKEYE" serve files "$1" --on http://127.0.0.1:0 --data "$work/data" >"$work/out" 2>"$work/err" &
    server=$!
    for _ in $(seq 200); do
        url=$(sed -n 's|^listening on \(http://.*\)$|\1|p' "$work/out" | head -n 1)
        [ -n "$url" ] && return
        sleep 0.05
    done
    broken "the server starts" "$(cat "$work/err")"
}
stop() {
    kill -INT "$server"
    wait "$server" || broken "Ctrl-C ends it with exit code 0" "$?"
    server=
}
# peak: the most memory that the server has held, in MiB.
peak() { awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$server/status"; }
# fetch PATH WHAT: to nowhere, with its speed and the server's memory.
fetch() {
    local figures
    figures=$(curl -sS -f -o /dev/null -w '%{size_download} %{speed_download}' "$url$1") || broken "$2 comes whole" "$(tail -n 1 "$work/err")"
    read -r bytes speed <<<"$figures"
    held "$2: bytes, MB/s" "$bytes, $((speed / 1000000))"
    at_most "$2: the server's memory at its peak" "$(peak)" 64 MiB
}

prove_huge() {
    local gib=${SOCKEYE_GIB:-100} form
    mkdir -p "$work/huge/sub"
    truncate -s "$((gib - 10))G" "$work/huge/one"
    for i in $(seq 10); do truncate -s 1G "$work/huge/sub/$i"; done
    for form in zip tar; do
        start "$work/huge"
        held "$gib GiB as $form: first byte after" "$(python3 "$here/archive.py" first "$url/?$form")"
        fetch "/?$form" "$gib GiB as $form"
        stop
    done
    rm -rf "$work/huge"
}

prove_verified() {
    local folder=$work/verified form
    mkdir -p "$folder/many" "$folder/empty"
    truncate -s 4500M "$folder/sparse of more than 4 GiB"
    head -c 1500000000 /dev/urandom >"$folder/random"
    for i in $(seq 2000); do head -c "$((i * 150))" /dev/zero | tr '\0' 'x' >"$folder/many/$i"; done
    printf 'small, and behind 4 GiB' >"$folder/über 日本 🐟"
    start "$folder"
    curl -sS -f -o "$work/x.zip" "$url/?zip"
    at_most "6 GB of all kinds: the server's memory at its peak" "$(peak)" 64 MiB
    unzip -tq "$work/x.zip" >"$work/said" || broken "unzip -t" "$(tail -n 1 "$work/said")"
    held "unzip -t" "$(tail -n 1 "$work/said" | cut -c1-60)"
    held "Python's zipfile and the folder are the same" "$(python3 "$here/archive.py" zip "$work/x.zip" "$folder")"
    rm "$work/x.zip"
    for form in tar bsdtar; do
        curl -sS -f "$url/?tar" | "$form" tf - >"$work/said" || broken "$form reads the tar"
        held "$form lists" "$(wc -l <"$work/said") entries"
    done
    mkdir "$work/unpacked"
    curl -sS -f "$url/?tar" | tar xS -C "$work/unpacked"
    diff -r "$folder" "$work/unpacked/verified" && held "tar unpacks the same on its way"
    rm -rf "$work/unpacked"
    stop
}

prove_many() {
    local files=${SOCKEYE_FILES:-1000000}
    memory=$(mktemp -d -p /dev/shm)
    python3 "$here/archive.py" make "$memory/many" "$files"
    for form in tar zip; do
        start "$memory/many"
        fetch "/?$form" "$files files as $form"
        stop
    done
    start "$memory/many"
    curl -sS -f -o "$work/x.zip" "$url/?zip"
    held "Python's zipfile reads the zip" "$(python3 "$here/archive.py" count "$work/x.zip" "$files")"
    rm "$work/x.zip"
    stop
    # All in one folder, whose names are then held at once.
    rm -rf "$memory/many"
    python3 "$here/archive.py" make "$memory/many" "$files" one
    start "$memory/many"
    fetch "/?zip" "$files files in one folder as zip"
    stop
    rm -rf "$memory"
    memory=
}

prove_stalled() {
    mkdir -p "$work/stalled"
    truncate -s 1G "$work/stalled/large"
    start "$work/stalled"
    held "a reader who stops is given up after" "$(python3 "$here/archive.py" stall "$url/?zip")"
    stop
}

prove_get() {
    local folder=$work/verified
    [ -d "$folder" ] || { mkdir -p "$folder/sub"; head -c 300000000 /dev/urandom >"$folder/sub/random"; }
    start "$folder"
    (cd "$work" && "$SOCKEYE" get "$url/" -o got 2>"$work/said") || broken "sockeye get of a folder" "$(cat "$work/said")"
    held "sockeye get of a folder" "$(tail -n 1 "$work/said" | cut -c1-70)"
    diff -r "$folder" "$work/got" && held "what it fetched is the same"
    (cd "$work" && "$SOCKEYE" get "$url/" -o got 2>"$work/said") || broken "a second time" "$(cat "$work/said")"
    held "a second time" "$(tail -n 1 "$work/said" | sed 's/.*of which/of which/')"
    stop
}

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(huge verified get many stalled)
for part in "${parts[@]}"; do
    declare -F "prove_$part" >/dev/null || broken "there is a part named $part"
    begun=$SECONDS
    "prove_$part"
    printf '       %s took %s s\n' "$part" "$((SECONDS - begun))"
done
