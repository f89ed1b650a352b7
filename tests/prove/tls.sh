#!/usr/bin/env bash
# https: what sslscan and testssl.sh find, HTTP/2, who is trusted, plain http sent on, speed.
# Needs SOCKEYE, the release binary. Prints a line for each promise with its figure, and fails at
# the first that does not hold.
set -euo pipefail
: "${SOCKEYE:?the path of the sockeye binary}"
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
# has NAME FILE PATTERN and lacks NAME FILE PATTERN: a line of the file is like that, or none is.
has() { grep -Eq "$3" "$2" && held "$1" "$(grep -Em1 "$3" "$2" | tr -s ' ' | cut -c1-60)" || { cat "$2"; broken "$1" "no line like '$3'"; }; }
lacks() { ! grep -E "$3" "$2" && held "$1" || broken "$1" "see above"; }

missing=()
for pair in sslscan:sslscan testssl:testssl.sh openssl:openssl curl:curl; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    [ "$(id -u)" -eq 0 ] || broken "the tools are here" "apt-get install ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

share=$work/share
data=$work/data
mkdir -p "$share"
printf 'hello\n' >"$share/hello.txt"
head -c 1073741824 /dev/urandom >"$share/one-gigabyte.bin"

# start ARGUMENTS...: starts the hub with --tls and sets $at, its address and port.
start() {
    "$SOCKEYE" up "$share" --tls --port 0 --base-port 29000 --data "$data" --quiet "$@" >"$work/out" 2>"$work/err" &
    server=$!
    for _ in $(seq 200); do
        at=$(sed -n 's|^listening on https://\(127.*\)$|\1|p' "$work/out" | head -n 1)
        [ -n "$at" ] && return
        sleep 0.05
    done
    broken "the server starts" "$(cat "$work/err")"
}
stop() {
    kill -INT "$server"
    wait "$server" && held "Ctrl-C ends it with exit code 0" || broken "Ctrl-C ends it with exit code 0" "$?"
    server=
}
fingerprint() { openssl x509 -noout -fingerprint -sha256 -in "$data/tls-cert.pem" | cut -d= -f2; }

start
is "the key is for its owner alone" "$(stat -c %a "$data" "$data/tls-key.pem" "$data/tls-cert.pem" | paste -sd' ')" "700 600 600"

sslscan --no-colour "$at" >"$work/sslscan" 2>&1 || { cat "$work/sslscan"; broken "sslscan runs"; }
for version in SSLv2 SSLv3 TLSv1.0 TLSv1.1; do
    has "sslscan: no $version" "$work/sslscan" "^$version +disabled"
done
for version in TLSv1.2 TLSv1.3; do
    has "sslscan: $version" "$work/sslscan" "^$version +enabled"
done
has "sslscan: no renegotiation" "$work/sslscan" 'Session renegotiation not supported'
lacks "sslscan: no compression" "$work/sslscan" 'Compression enabled'
has "sslscan: no heartbleed" "$work/sslscan" 'TLSv1.2 not vulnerable to heartbleed'
grep -E '^(Preferred|Accepted) ' "$work/sslscan" >"$work/suites"
is "sslscan: suites" "$(wc -l <"$work/suites")" 6
! grep -Ev 'TLS_(AES|CHACHA20)|ECDHE-ECDSA-(AES(128|256)-GCM|CHACHA20)' "$work/suites" \
    && held "sslscan: each has forward secrecy and authenticates" || broken "sslscan: a weak suite"

testssl --color 0 --quiet --warnings batch --openssl-timeout 10 "$at" >"$work/testssl" 2>&1 || true
has "testssl: it came to its end" "$work/testssl" '^ Done '
has "testssl: the server has an order of suites" "$work/testssl" 'Has server cipher order\? +yes \(OK\)'
has "testssl: HTTP/2 by ALPN" "$work/testssl" 'ALPN/HTTP2 +h2, http/1.1'
# testssl asks only once for a session, and takes any hitch for a no.
openssl s_client -connect "$at" -tls1_2 -reconnect </dev/null >"$work/sessions" 2>&1 || true
has "openssl: sessions are taken up" "$work/sessions" '^Reused, TLSv1.2'
# That nobody vouches for the certificate, and that nobody could revoke it, lies in what it is.
grep -Ev 'Chain of trust|neither CRL nor OCSP' "$work/testssl" >"$work/findings"
lacks "testssl: nothing is not ok" "$work/findings" 'NOT ok|VULNERABLE|MEDIUM|HIGH|CRITICAL'
held "testssl: checks that are ok" "$(grep -o '(OK)' "$work/testssl" | wc -l)"

url=https://$at
is "curl by HTTP/2" "$(curl -sS --cacert "$data/tls-cert.pem" -o "$work/got" -w '%{http_version} %{http_code}' "$url/hello.txt")" "2 200"
is "curl by HTTP/1.1" "$(curl -sS --cacert "$data/tls-cert.pem" --http1.1 -o "$work/got" -w '%{http_version} %{http_code}' "$url/hello.txt")" "1.1 200"
is "curl without the certificate does not trust it" "$(curl -s -o "$work/got" "$url/hello.txt" && echo 0 || echo $?)" 60
is "plain http is sent on" "$(curl -s -o "$work/got" -w '%{http_code} %{redirect_url}' "http://$at/hello.txt")" "308 $url/hello.txt"
"$SOCKEYE" get "$url/one-gigabyte.bin" -o "$work/got" --overwrite --quiet --fingerprint "$(fingerprint)"
cmp "$work/got" "$share/one-gigabyte.bin" && held "sockeye get fetches 1 GiB exactly, pinned"
"$SOCKEYE" get "$url/hello.txt" -o "$work/no" --fingerprint "$(printf '00%.0s' $(seq 32))" 2>"$work/said" \
    && broken "another fingerprint is refused" || is "another fingerprint is refused with exit code" "$?" 3
has "and what it is instead is shown" "$work/said" "$(fingerprint)"
for version in --http1.1 --http2; do
    speed=$(curl -sS -k "$version" -o /dev/null -w '%{speed_download}' "$url/one-gigabyte.bin")
    held "1 GiB $version over loopback, with curl (MB/s)" "$((${speed%.*} / 1000000))"
done
first=$(fingerprint)
stop
start --host another.example
is "after a restart the fingerprint is the same" "$(fingerprint)" "$first"
stop
