#!/usr/bin/env bash
# What is handed out: one file that runs in an empty chroot, its manual, package and service.
# As root. With `afresh` as its argument, builds everything a second time in another folder, and
# compares. Prints a line for each promise with its figure, and fails at the first that does not hold.
set -euo pipefail
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
# has NAME TEXT PATTERN: a line of the text is like that.
has() { grep -Eq -- "$3" <<<"$2" && held "$1" "$(grep -Em1 -- "$3" <<<"$2" | tr -s ' ' | cut -c1-70)" || broken "$1" "no line like '$3' in: $(head -c 400 <<<"$2")"; }
at_most() { awk "BEGIN { exit !($2 <= $3) }" && held "$1" "$2" || broken "$1" "$2, wanted at most $3"; }

[ "$(id -u)" -eq 0 ] || broken "run as root" "chroot and strace want it"

echo "-- what ./x dist makes"
bash packaging/build.sh >"$work/build" 2>&1 || { cat "$work/build"; broken "it builds"; }
held "it builds"
cp dist/SHA256SUMS "$work/first"
binary=$PWD/dist/sockeye
package=$(echo "$PWD"/dist/*.deb)
has "the binary needs no library" "$(ldd "$binary" 2>&1)" 'statically linked'
at_most "bytes of the stripped binary" "$(stat -c %s "$binary")" 25000000
is "places of this machine in the binary" "$(grep -ac -e "$HOME/" -e "$PWD/" "$binary" || true)" 0
(cd dist && sha256sum --quiet -c SHA256SUMS) && held "the checksums are those of the files" "$(wc -l <dist/SHA256SUMS) files"
bash packaging/build.sh >/dev/null 2>&1
cmp -s dist/SHA256SUMS "$work/first" && held "a second run gives the same bytes" || broken "a second run gives the same bytes" "$(diff dist/SHA256SUMS "$work/first")"
if [ "${1:-}" = afresh ]; then
    git worktree add --quiet --detach "$work/elsewhere" HEAD
    (cd "$work/elsewhere" && bash packaging/build.sh) >/dev/null 2>&1 || true
    cp "$work/elsewhere/dist/SHA256SUMS" "$work/afresh"
    git worktree remove --force "$work/elsewhere"
    cmp -s "$work/afresh" "$work/first" && held "a build from nothing in another folder gives the same bytes" \
        || broken "a build from nothing in another folder gives the same bytes" "$(diff "$work/afresh" "$work/first")"
fi

echo "-- manual and completions"
for page in dist/*.1; do
    warnings=$(groff -man -ww -z -Tutf8 "$page" 2>&1)
    [ -z "$warnings" ] || broken "groff takes $page" "$warnings"
done
held "groff takes the manual without a word" "$(ls dist/*.1 | wc -l) pages"
page=$(MANWIDTH=90 man -l dist/sockeye-up.1 2>&1)
for section in NAME SYNOPSIS EXAMPLES 'EXIT STATUS' ENVIRONMENT FILES 'SEE ALSO'; do
    grep -q "^$section" <<<"$page" || broken "man shows $section"
done
held "man shows all sections"
# In bash, what a person who presses Tab is offered; nothing means names of files.
offered() {
    bash -c 'source dist/completions/sockeye.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _sockeye_words sockeye "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
        echo "${COMPREPLY[*]}"' - "$@"
}
has "bash: verbs" "$(offered sockeye '')" '\bup serve get put\b'
is "bash: services" "$(offered sockeye serve '')" "files echo clock"
is "bash: flags" "$(offered sockeye up --max-p)" "--max-per-address"
is "bash: values" "$(offered sockeye serve files --driver '')" "tasks threads single"
is "bash: files as values" "$(offered sockeye up --config Cargo.t)" "Cargo.toml"
is "bash: files as arguments are bash's own" "$(offered sockeye put '')" ""
fishes() { fish --no-config -c "source dist/completions/sockeye.fish; complete -C '$1'" | cut -f1 | paste -sd' '; }
has "fish: verbs" "$(fishes 'sockeye ')" '\bserve up\b'
has "fish: flags" "$(fishes 'sockeye up --max-p')" '^--max-per-address'
has "fish: values" "$(fishes 'sockeye serve files --driver ')" 'single tasks threads'
has "fish: files" "$(fishes 'sockeye put Cargo.t')" '^Cargo.toml'
zsh -fc 'autoload -U compinit && compinit -D -u && source dist/completions/_sockeye && whence _sockeye_commands >/dev/null' \
    && held "zsh reads its completions"

echo "-- Debian's package"
complaints=$(lintian --fail-on none --no-tag-display-limit --allow-root "$package" 2>/dev/null || true)
is "lintian: errors" "$(grep -c '^E:' <<<"$complaints" || true)" 0
held "lintian: warnings" "$(grep -c '^W:' <<<"$complaints" || true)"
grep '^W:' <<<"$complaints" | sed 's/^/       /' || true
is "it depends on nothing" "$(dpkg-deb -f "$package" Depends Pre-Depends)" ""
is "all in it is root's" "$(dpkg-deb -c "$package" | awk '{ print $2 }' | sort -u)" "root/root"
root=$work/debian
mkdir -p "$root/var/lib/dpkg/"{updates,info} "$root/etc"
touch "$root/var/lib/dpkg/status"
package_tool() { dpkg --root="$root" --force-script-chrootless --no-triggers "$@" >/dev/null 2>"$work/dpkg" || { cat "$work/dpkg"; broken "dpkg $*"; }; }
package_tool --install "$package"
is "installed, it runs" "$("$root/usr/bin/sockeye" --version)" "sockeye $(dpkg-deb -f "$package" Version)"
[ ! -e "$root/etc/systemd/system/multi-user.target.wants/sockeye.service" ] && held "the service is not switched on by itself"
echo '# mine' >>"$root/etc/sockeye/sockeye.toml"
package_tool --install "$package"
is "an upgrade keeps changed settings" "$(tail -n1 "$root/etc/sockeye/sockeye.toml")" "# mine"
mkdir -p "$root/var/lib/private/sockeye/"{keys,share}
ln -s private/sockeye "$root/var/lib/sockeye"
echo secret >"$root/var/lib/private/sockeye/keys/key"
echo theirs >"$root/var/lib/private/sockeye/share/received"
package_tool --remove sockeye
[ -f "$root/etc/sockeye/sockeye.toml" ] && [ ! -e "$root/usr/bin/sockeye" ] && held "removed, settings stay"
package_tool --purge sockeye
[ ! -e "$root/etc/sockeye" ] && [ ! -e "$root/var/lib/sockeye/keys" ] && held "purged, settings and keys are gone"
is "and what was received is there" "$(cat "$root/var/lib/sockeye/share/received")" theirs
rm "$root/var/lib/private/sockeye/share/received"
package_tool --install "$package"
package_tool --purge sockeye
is "with nothing received, nothing is left" "$(find "$root/var/lib/private" "$root/var/lib/sockeye" -mindepth 1 2>/dev/null | wc -l)" 0
is "files of the package that are left" "$(find "$root" -path "$root/var/lib/dpkg" -prune -o -name '*sockeye*' -print | wc -l)" 0

echo "-- alone in an empty chroot: no /proc, no /dev, no /etc"
cell=$work/cell
chroot=$(command -v chroot)
mkdir -p "$cell/share"
cp "$binary" "$cell/sockeye"
head -c 30000000 /dev/urandom >"$cell/share/film.bin"
printf 'hello\n' >"$cell/share/hello.txt"
is "what is in it" "$(cd "$cell" && find . -type f | sort | paste -sd' ')" "./share/film.bin ./share/hello.txt ./sockeye"
whole=$(sha256sum <"$cell/share/film.bin")
# start PATTERN ARGUMENTS...: starts it in the cell and sets $at to what is behind PATTERN.
start() {
    env -i "$chroot" "$cell" /sockeye "${@:2}" >"$work/out" 2>"$work/err" &
    server=$!
    for _ in $(seq 200); do
        at=$(sed -n "s|^listening on $1://\(.*\)\$|\1|p" "$work/out" | head -n 1)
        [ -n "$at" ] && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    broken "the server starts" "$(cat "$work/err")"
}
stop() {
    kill -TERM "$server"
    wait "$server" && held "SIGTERM ends it with exit code 0" || broken "SIGTERM ends it with exit code 0" "$?"
    server=
}
inside() { env -i "$chroot" "$cell" /sockeye "$@"; }
start http serve files /share --on http://127.0.0.1:0 --host hub.example --quiet
is "serve: curl from outside gets what is there" "$(curl -s "http://$at/film.bin" | sha256sum)" "$whole"
inside get "http://$at/film.bin" -o /share/copy.bin --quiet
is "get inside, by address" "$(sha256sum <"$cell/share/copy.bin")" "$whole"
is "get inside, localhost without /etc/hosts" "$(inside get "http://localhost:${at##*:}/hello.txt" -o -)" hello
code=0
inside get http://hub.example/hello.txt -o - 2>"$work/said" || code=$?
is "a name, where no resolver is: exit code" "$code" 3
has "a name, where no resolver is: what is said" "$(cat "$work/said")" '^sockeye: cannot find `hub.example`'
mkdir "$cell/etc"
echo '127.0.0.1 hub.example' >"$cell/etc/hosts"
echo 'hosts: mdns4_minimal ldap files dns' >"$cell/etc/nsswitch.conf"
is "/etc/hosts, beside sources of names that are not there" "$(inside get "http://hub.example:${at##*:}/hello.txt" -o -)" hello
rm -r "$cell/etc"
stop
start http up /share --port 0 --base-port 27000 --uploads --ephemeral --quiet
has "up: the page" "$(curl -s -H 'Accept: text/html' "http://$at/")" '<title>share'
has "up: the clock without a zone" "$(inside clock time 127.0.0.1:27002)" '^[0-9]{2}:[0-9]{2}'
is "up: echo over udp" "$(inside echo udp://127.0.0.1:27001 hello --quiet)" hello
stop
start https up /share --port 0 --base-port 27000 --lan --tls --uploads --data /kept --quiet
is "key and certificate are kept in the cell" "$(cd "$cell/kept" && ls | paste -sd' ')" "key tls-cert.pem tls-key.pem"
key=$(inside key --data /kept)
print=$(openssl x509 -noout -fingerprint -sha256 -in "$cell/kept/tls-cert.pem" | cut -d= -f2)
is "get inside over https, key in the arguments" "$(inside get "https://$at/hello.txt" --fingerprint "$print" --key "$key" --ephemeral -o -)" hello
inside put /sockeye "https://$at/received" --fingerprint "$print" --key "$key" --ephemeral --quiet
cmp -s "$cell/share/received" "$binary" && held "put inside: what was sent is there" || broken "put inside"
stop

echo "-- as a service"
has "systemd-analyze security" "$(systemd-analyze security --offline=true --no-pager docs/sockeye.service)" 'exposure level.*: [01]\.[0-9]'
mkdir -p "$work/unit"
sed "s|/usr/bin/sockeye|$binary|; /^Documentation/d" docs/sockeye.service >"$work/unit/sockeye.service"
is "systemd-analyze verify" "$(systemd-analyze verify --man=no "$work/unit/sockeye.service" 2>&1)" ""
# What the unit lets through: @system-service without what it takes out again.
calls() { systemd-analyze syscall-filter "$1" | awk '/^    [@a-z_]/ { print $1 }' | while read -r one; do
    case $one in @*) calls "$one" ;; *) echo "$one" ;; esac; done; }
{ calls @system-service; calls @default; } | sort -u >"$work/with"
{ calls @privileged; calls @resources; } | sort -u >"$work/without"
comm -23 "$work/with" "$work/without" >"$work/allowed"
mkdir -p "$work/state/share" "$work/state/keys"
chown -R nobody "$work/state"
chmod 755 "$work"
setpriv --reuid nobody --regid nogroup --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
    strace -f -qq -o "$work/state/calls" "$binary" up "$work/state/share" --data "$work/state/keys" --port 0 \
    --base-port 27000 --lan --uploads --tls --quiet >"$work/out" 2>"$work/err" &
server=$!
for _ in $(seq 200); do grep -q '^listening on https://' "$work/out" && break; sleep 0.05; done
at=$(sed -n 's|^listening on https://\(.*\)$|\1|p' "$work/out" | head -n 1)
key=$(cat "$work/state/keys/key")
for _ in 1 2 3; do
    curl -sk -u ":$key" -T "$cell/share/film.bin" "https://$at/folder/film.bin" >/dev/null
    is "its own user without capabilities: what was sent comes back" "$(curl -sk -u ":$key" "https://$at/folder/film.bin" | sha256sum)" "$whole"
done
curl -sk -u ":$key" "https://$at/" >/dev/null
kill -TERM "$(pgrep -P "$server")"
wait "$server" && held "SIGTERM drains and ends it with exit code 0" || broken "SIGTERM ends it" "$?"
server=
sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$work/state/calls" | sort -u >"$work/called"
held "system calls that it made" "$(wc -l <"$work/called")"
# execve is strace's own start of it, which systemd does before the filter counts.
is "of these, not let through by the unit" "$(comm -23 "$work/called" "$work/allowed" | grep -vx execve | paste -sd' ')" ""
# There is no systemd running on a build machine: the namespaces of the unit (ProtectSystem,
# DynamicUser, ProtectHome) are checked by its own verify above, and not by running under them.
[ -d /run/systemd/system ] || echo "note   systemd does not run here: the unit itself was checked, not started"
