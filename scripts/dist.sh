#!/usr/bin/env bash
# Makes what is given to others out of a built program: stripped binary, Debian package, source archive, SBOM, all in
# target/dist with their checksums. Then installs, upgrades and removes the package in a directory of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
dist=$target/dist
binary=$target/release/chappe
version=$("$binary" --version | cut -d' ' -f2)
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$dist" && mkdir -p "$dist"

strip --strip-all -o "$dist/chappe" "$binary"
"$dist/chappe" --version >/dev/null

git archive --format=tar.gz --prefix="chappe-$version/" -o "$dist/chappe-$version.tar.gz" HEAD
scripts/sbom.py > "$dist/chappe-$version.cdx.json"

# package VERSION: a Debian package of this program under that version.
package() {
    local root=$work/package-$1
    install -D -m 755 "$dist/chappe" "$root/usr/bin/chappe"
    install -D -m 600 chappe.example.toml "$root/etc/chappe/chappe.toml"
    install -D -m 644 LICENSE-MIT "$root/usr/share/doc/chappe/copyright"
    install -D -m 644 CHANGELOG.md "$root/usr/share/doc/chappe/changelog.md"
    install -D -m 644 docs/operating.md "$root/usr/share/doc/chappe/operating.md"
    mkdir -p "$root/lib/systemd/system" "$root/usr/share/bash-completion/completions" "$root/DEBIAN"
    install -D -m 644 deploy/chappe.sysusers "$root/usr/lib/sysusers.d/chappe.conf"
    # The head of the unit says how it is installed by hand.
    sed -e '1,/^$/d' -e 's:/usr/local/bin/:/usr/bin/:' deploy/chappe.service > "$root/lib/systemd/system/chappe.service"
    "$dist/chappe" completions bash > "$root/usr/share/bash-completion/completions/chappe"
    echo /etc/chappe/chappe.toml > "$root/DEBIAN/conffiles"
    install -m 755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$root/DEBIAN/"
    sed -e "s/@VERSION@/$1/" -e "s/@ARCHITECTURE@/$architecture/" \
        -e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" deploy/debian/control > "$root/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$root" "$2" >/dev/null
}

package "$version" "$dist/chappe_${version}_$architecture.deb"

# What dpkg does with it, without touching this machine.
try=$work/try
mkdir -p "$try/var/lib/dpkg/info" "$try/var/lib/dpkg/updates" && : > "$try/var/lib/dpkg/status"
in_try() { dpkg --root="$try" --force-not-root --force-script-chrootless --force-depends --log=/dev/null "$@" >/dev/null; }
fail() { echo "dist: $*" >&2; exit 1; }
in_try -i "$dist/chappe_${version}_$architecture.deb"
"$try/usr/bin/chappe" --version >/dev/null || fail "the installed program does not run"
# docs/figures.md has what it is. What makes it larger by a third is to be noticed.
bytes=$(stat -c %s "$dist/chappe")
[ "$bytes" -le 40000000 ] || fail "the program has $bytes bytes, 40,000,000 are allowed"
grep -q '^ExecStart=/usr/bin/chappe ' "$try/lib/systemd/system/chappe.service" || fail "the unit starts another program"
echo '# of the operator' >> "$try/etc/chappe/chappe.toml"
package "$version+next" "$work/next.deb"
in_try -i "$work/next.deb"
grep -q '^# of the operator$' "$try/etc/chappe/chappe.toml" || fail "an upgrade overwrites the settings"
in_try -r chappe
[ ! -e "$try/usr/bin/chappe" ] || fail "the program stays after its removal"
[ -e "$try/etc/chappe/chappe.toml" ] || fail "a removal takes the settings along"
in_try -P chappe
[ ! -e "$try/etc/chappe/chappe.toml" ] || fail "the settings stay after a purge"

(cd "$dist" && sha256sum -- * > SHA256SUMS)
echo "made in $dist (package installed, upgraded, removed and purged in a directory of its own):"
(cd "$dist" && du -h -- *)
