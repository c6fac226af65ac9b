#!/usr/bin/env bash
# Tries the Debian package in a container that a real systemd boots: installed, enabled, settings taken up by reload,
# upgraded under a session, stopped, removed, purged. The container has a network of its own and ends by itself, and with
# this script at the latest. Needs root and what `make dist` has made.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "try-package: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "a container needs root"
target=${CARGO_TARGET_DIR:-target}
package=$(ls "$target"/dist/chappe_*.deb 2>/dev/null) || fail "there is no package in $target/dist: make dist"

for need in mmdebstrap:mmdebstrap systemd-nspawn:systemd-container; do
    command -v "${need%%:*}" >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need##*:}" >/dev/null
done

work=$(mktemp -d)
root=$work/root
# Processes of the container and of nspawn: those that have its folder for their root, or mounted.
inside() { grep -ls "/${work##*/}/root / " /proc/[0-9]*/mountinfo | cut -d / -f 3 || true; }
# nspawn that is killed (by timeout, or with a terminal) leaves its container running.
end() {
    for pid in $(inside); do kill -KILL "$pid" 2>/dev/null || true; done
    for _ in $(seq 100); do
        [ -n "$(inside)" ] || { rm -rf "$work"; return; }
        sleep 0.1
    done
    echo "try-package: processes of the container are left: $(inside | tr '\n' ' ')" >&2
    exit 1
}
trap end EXIT
# A system with systemd, from the sources of this machine; made once.
base=$PWD/.tools/systemd-base.tar
if [ ! -s "$base" ]; then
    mkdir -p .tools
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    sources=(/etc/apt/sources.list.d/debian.sources)
    [ -e "${sources[0]}" ] || sources=(/etc/apt/sources.list)
    mmdebstrap --quiet --format=tar --variant=minbase --include=systemd-sysv,dbus,curl,procps "$suite" "$base.new" "${sources[@]}"
    mv "$base.new" "$base"
fi
mkdir "$root" && tar xf "$base" -C "$root"

# The next version of the package.
dpkg-deb -R "$package" "$work/next"
sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control"
mkdir "$root/try"
dpkg-deb --root-owner-group --build "$work/next" "$root/try/next.deb" >/dev/null
cp "$package" "$root/try/first.deb"
install -m 755 scripts/try-package-inside.sh "$root/try/inside.sh"
cat > "$root/etc/systemd/system/try.service" <<'UNIT'
[Unit]
Description=Tries the package
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash /try/inside.sh
StandardOutput=file:/try/log
StandardError=inherit
ExecStopPost=/bin/systemctl poweroff --force
TimeoutStartSec=240
[Install]
WantedBy=multi-user.target
UNIT
systemctl --root="$root" --quiet enable try.service
echo tried > "$root/etc/hostname"

timeout --kill-after=10 300 systemd-nspawn --quiet --directory="$root" --boot --private-network --register=no --keep-unit \
    --machine="chappe-try-$$" --link-journal=no --console=read-only >"$work/console" 2>&1 || true
if ! grep -q '^all done$' "$root/try/log" 2>/dev/null; then
    tail -n 40 "$work/console" "$root/try/log" >&2 || true
    fail "the package does not work under systemd"
fi
[ -z "$(inside)" ] || fail "the container goes on after its systemd has powered off"
sed 's/^/try-package: /' "$root/try/log"
