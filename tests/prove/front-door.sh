#!/usr/bin/env bash
# Sharing a folder: real files byte for byte, curl's switches, timeouts, the symlink race.
# Needs SOCKEYE, the release binary. Prints a line for each promise with its figure, and fails at
# the first that does not hold.
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

held() { printf 'held   %-62s %s\n' "$1" "${2:-}"; }
broken() { printf 'BROKEN %-62s %s\n' "$1" "${2:-}"; exit 1; }
is() { [ "$2" = "$3" ] && held "$1" "$2" || broken "$1" "got '$2', wanted '$3'"; }

# start ARGUMENTS...: starts a server and sets $url and $tcp.
start() {
    : >"$work/out"
    "$SOCKEYE" "$@" --quiet >"$work/out" 2>"$work/err" &
    server=$!
    for _ in $(seq 200); do
        url=$(sed -n 's|^listening on \(http://127.*\)$|\1|p' "$work/out" | head -n 1)
        tcp=$(sed -n 's|^listening on tcp://\(127.*\)$|\1|p' "$work/out" | head -n 1)
        [ -n "$url" ] && return
        sleep 0.05
    done
    broken "the server starts" "$(cat "$work/err")"
}
stop() {
    kill -INT "$server"
    wait "$server" && held "Ctrl-C ends it with exit code 0" || broken "Ctrl-C ends it with exit code 0" "$?"
    server=
}

share=$work/share
mkdir -p "$share/films" "$share/Ünïcode 日本語 العربية"
convert -size 4000x3000 plasma:steelblue-salmon "$share/photo.jpg"
printf '%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>endobj\ntrailer<</Root 1 0 R>>\n%%%%EOF\n' >"$share/paper.pdf"
ffmpeg -loglevel error -f lavfi -i testsrc=size=640x360:rate=30 -t 5 -pix_fmt yuv420p "$share/films/film.mp4"
head -c 2147483648 /dev/urandom >"$share/two-gigabytes.bin"
printf 'hello\n' >"$share/Ünïcode 日本語 العربية/שלום.txt"
printf 'one\n' >"$share/a b#c?d%e&f.txt"
: >"$share/empty"
ln -s ../secret "$share/out"
printf 'secret' >"$work/secret"

start up "$share" --port 0
cd "$work"

while IFS= read -r -d '' file; do
    path=$(python3 -c 'import sys,urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "${file#"$share"/}")
    got=$(curl -sS "$url/$path" | sha256sum | cut -d' ' -f1)
    want=$(sha256sum <"$file" | cut -d' ' -f1)
    [ "$got" = "$want" ] && held "sha256 of ${file#"$share"/}" "${got:0:16}" || broken "sha256 of $file"
done < <(find "$share" -type f -print0)
got=$(printf two-gigabytes.bin | nc -N "${tcp%:*}" "${tcp##*:}" | sha256sum | cut -d' ' -f1)
is "the raw wire gives 2 GiB exactly" "$got" "$(sha256sum <"$share/two-gigabytes.bin" | cut -d' ' -f1)"
peak=$(awk '/VmHWM/ {print $2}' "/proc/$server/status")
[ "$peak" -lt 65536 ] && held "memory stays flat over 4 GiB sent (peak, kB)" "$peak" || broken "memory stays flat" "$peak kB"

is "curl -r 0-3" "$(curl -s -r 0-3 "$url/films/film.mp4" | sha256sum)" "$(head -c 4 "$share/films/film.mp4" | sha256sum)"
is "curl -r -100" "$(curl -s -r -100 "$url/photo.jpg" | sha256sum)" "$(tail -c 100 "$share/photo.jpg" | sha256sum)"
is "curl -r beyond the end is 416" "$(curl -s -o body -w '%{http_code}' -r 99999999999- "$url/photo.jpg")" 416
is "curl -z with the file's own time is 304" "$(curl -s -o body -w '%{http_code}' -z "$share/photo.jpg" "$url/photo.jpg")" 304
curl -s -o body --etag-save tag "$url/photo.jpg"
is "curl --etag-compare is 304" "$(curl -s -o body -w '%{http_code}' --etag-compare tag "$url/photo.jpg")" 304
head -c 1000000 "$share/two-gigabytes.bin" >resumed
curl -sS -C - -o resumed "$url/two-gigabytes.bin"
cmp resumed "$share/two-gigabytes.bin" && held "curl -C - resumes 2 GiB exactly"
rm resumed
is "curl --http2-prior-knowledge" "$(curl -s -o body -w '%{http_version} %{http_code}' --http2-prior-knowledge "$url/photo.jpg")" "2 200"
cmp body "$share/photo.jpg"
is "two requests share one connection" "$(curl -s -o body -o body -w '%{num_connects}\n' "$url/photo.jpg" "$url/empty" | paste -sd' ')" "1 0"
is "a rebound Host gets 421" "$(curl -s -o body -w '%{http_code}' -H 'Host: evil.example' "$url/")" 421
is "a link out is refused" "$(curl -s -o body -w '%{http_code}' "$url/out")" 403
"$SOCKEYE" get "$url/two-gigabytes.bin" -o got.bin
cmp got.bin "$share/two-gigabytes.bin" && held "sockeye get fetches 2 GiB exactly"
rm got.bin

python3 "$root/tests/prove/idle.py" "$url" || broken "idle connections are closed in time"
stop

start serve files "$share" --on http://127.0.0.1:0 --exit-after-idle 2s
wait "$server" && held "--exit-after-idle 2s exits 0" || broken "--exit-after-idle 2s exits 0" "$?"
server=

cd "$root"
SOCKEYE_PROVE=1 cargo test --release --quiet -p sockeye --test hostile >"$work/hostile" 2>&1 \
    && held "hostile paths and requests, a link swapped during 100,000 GETs" "$(grep -m1 -o '[0-9]* passed' "$work/hostile")" \
    || { cat "$work/hostile"; broken "hostile paths and requests"; }
SOCKEYE_SEEDS=10000 cargo test --release --quiet -p sockeye-sim >"$work/sim" 2>&1 \
    && held "every machine in the simulator under 10,000 seeds" \
    || { cat "$work/sim"; broken "every machine in the simulator under 10,000 seeds"; }
