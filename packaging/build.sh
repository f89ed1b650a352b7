#!/usr/bin/env bash
# Makes what is handed out, in dist/: the binary that needs nothing beside it, its manual and
# completions, a Debian package, a tar archive, and their checksums. The same commit gives the same
# bytes, on any machine with the same Rust and gcc, in any folder.
set -euo pipefail
cd "$(dirname "$0")/.."
target=x86_64-unknown-linux-gnu
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
# Every date in what is made is that of the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

say() { printf '\n== %s\n' "$*"; }

# The C library is linked in, too (crt-static), as a position-independent executable. --target keeps
# that away from what only runs while building: procedural macros are shared libraries. The linker
# warns that getaddrinfo of a static glibc loads shared libraries of the very same glibc for what
# /etc/nsswitch.conf names beside `files` and `dns`. Those two are built in, so that /etc/hosts and DNS
# work anywhere; other sources (mdns, ldap) are passed over where their libraries do not fit.
# Nobody's folders stand in the binary: they are renamed, for Rust and for C.
build() {
    local cargo_home=${CARGO_HOME:-$HOME/.cargo} folder
    local rust="-C target-feature=+crt-static --remap-path-prefix=$PWD=/sockeye"
    local c="-ffile-prefix-map=$PWD=/sockeye"
    cargo fetch --locked --quiet --target "$target"
    for folder in "$cargo_home"/registry/src/*/; do
        rust+=" --remap-path-prefix=${folder%/}=/crates"
        c+=" -ffile-prefix-map=${folder%/}=/crates"
    done
    RUSTFLAGS=$rust CFLAGS=$c cargo build --locked --release --quiet -p sockeye --target "$target"
}

# Everything below the binary, made by the binary itself.
lay_out() {
    local sockeye=target/$target/release/sockeye
    rm -rf dist
    mkdir -p dist/completions
    cp "$sockeye" dist/sockeye
    dist/sockeye --generate man dist
    dist/sockeye --generate complete-bash >dist/completions/sockeye.bash
    dist/sockeye --generate complete-zsh >dist/completions/_sockeye
    dist/sockeye --generate complete-fish >dist/completions/sockeye.fish
    mapfile -t linked < <(cargo tree --locked -p sockeye -e normal --target "$target" --prefix none \
        --format '{p}' | sed -n 's/^\([^ ]*\) v\([^ ]*\)$/\1 \2/p' | sort -u)
    cargo metadata --locked --format-version 1 --filter-platform "$target" |
        python3 packaging/licences.py "${linked[@]}" >dist/third-party-licences.txt
}

# install_as MODE FROM TO: like install -D, in the package's tree.
install_as() { install -D -m "$1" "$2" "$tree/$3"; }
# The same, compressed without a name and a date.
gzip_as() { install -D -m 644 /dev/null "$tree/$2.gz" && gzip -9n <"$1" >"$tree/$2.gz"; }

debian() {
    local tree page doc=usr/share/doc/sockeye maintainer
    tree=$(mktemp -d)
    # Who builds it for others says who they are; nobody's address is taken from elsewhere.
    maintainer="${DEBFULLNAME:-Sockeye maintainers} <${DEBEMAIL:-maintainers@sockeye.invalid}>"
    install_as 755 dist/sockeye usr/bin/sockeye
    for page in dist/*.1; do gzip_as "$page" "usr/share/man/man1/${page##*/}"; done
    install_as 644 dist/completions/sockeye.bash usr/share/bash-completion/completions/sockeye
    install_as 644 dist/completions/_sockeye usr/share/zsh/vendor-completions/_sockeye
    install_as 644 dist/completions/sockeye.fish usr/share/fish/vendor_completions.d/sockeye.fish
    install_as 644 docs/sockeye.service lib/systemd/system/sockeye.service
    install_as 644 packaging/debian/sockeye.toml etc/sockeye/sockeye.toml
    install_as 644 packaging/debian/lintian-overrides usr/share/lintian/overrides/sockeye
    debian_changelog >"$tree/changelog"
    gzip_as "$tree/changelog" "$doc/changelog"
    rm "$tree/changelog"
    gzip_as CHANGELOG.md "$doc/CHANGELOG.md"
    gzip_as dist/third-party-licences.txt "$doc/third-party-licences.txt"
    install_as 644 /dev/null "$doc/copyright"
    copyright >"$tree/$doc/copyright"
    install -d "$tree/DEBIAN"
    printf '/etc/sockeye/sockeye.toml\n' >"$tree/DEBIAN/conffiles"
    install -m 755 packaging/debian/{postinst,prerm,postrm} "$tree/DEBIAN"
    (cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\n' | sort | xargs md5sum >DEBIAN/md5sums)
    sed -e "s/@VERSION@/$version/" -e "s/@MAINTAINER@/$maintainer/" \
        -e "s/@INSTALLED_KIB@/$(du -sk --apparent-size --exclude=DEBIAN "$tree" | cut -f1)/" \
        packaging/debian/control.in >"$tree/DEBIAN/control"
    chmod 755 "$tree"
    dpkg-deb --root-owner-group -Zxz --build "$tree" "dist/sockeye_${version}_amd64.deb" >/dev/null
    rm -rf "$tree"
}

# In the form that apt's tools read; what is new is told by CHANGELOG.md.
debian_changelog() {
    printf 'sockeye (%s) unstable; urgency=medium\n\n  * What is new: CHANGELOG.md.gz beside this file.\n\n' "$version"
    printf ' -- %s  %s\n' "$maintainer" "$(date -R -d "@$SOURCE_DATE_EPOCH")"
}

# In Debian's machine-readable form (DEP-5).
copyright() {
    cat <<'TEXT'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: sockeye
Comment: The libraries that are linked in, and the terms of each, are in
 third-party-licences.txt.gz beside this file.

Files: *
Copyright: 2026 The Sockeye developers
License: Expat or Apache-2.0

License: Apache-2.0
 On Debian, the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.

License: Expat
TEXT
    sed -n '/^Permission/,$p' LICENSE-MIT | sed -e 's/^$/./' -e 's/^/ /'
}

archive() {
    local name=sockeye-$version-x86_64-linux tree
    tree=$(mktemp -d)
    mkdir -p "$tree/$name/man"
    cp dist/sockeye dist/third-party-licences.txt docs/sockeye.service packaging/debian/sockeye.toml \
        README.md CHANGELOG.md SECURITY.md LICENSE-MIT LICENSE-APACHE "$tree/$name"
    cp dist/*.1 "$tree/$name/man"
    cp -r dist/completions "$tree/$name"
    tar -C "$tree" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
        --mode=u+rw,go+r,go-w --format=gnu -c "$name" | gzip -9n >"dist/$name.tar.gz"
    rm -rf "$tree"
}

say "building"
build
say "the manual, completions, licences"
lay_out
say "the package and the archive"
debian
archive
(cd dist && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS)
cat dist/SHA256SUMS
