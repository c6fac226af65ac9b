#!/usr/bin/env bash
# Holds that vendor/dimpl is the published crate with vendor/dimpl-0.9.0.patch, and nothing else: takes the patch off and
# compares every source file with the published one's checksum.
set -euo pipefail
cd "$(dirname "$0")/.."
upstream=$(mktemp -d)
trap 'rm -rf "$upstream"' EXIT
cp -r vendor/dimpl/src "$upstream/src"
fail() {
    echo "check-vendored: vendor/dimpl is not dimpl 0.9.0 with vendor/dimpl-0.9.0.patch: $1" >&2
    echo "check-vendored: make the patch again with: diff -ruN a/src b/src, a being the published crate, b vendor/dimpl" >&2
    exit 1
}
patch --reverse --strip=1 --silent --no-backup-if-mismatch --force --directory="$upstream" < vendor/dimpl-0.9.0.patch \
    || fail "the patch does not come off"
(cd "$upstream" && sha256sum --check --quiet --strict) < vendor/dimpl-0.9.0.sha256 || fail "the files above differ"
listed=$(wc -l < vendor/dimpl-0.9.0.sha256)
there=$(find "$upstream/src" -type f | wc -l)
[ "$listed" = "$there" ] || fail "it has $there source files, the published crate $listed"
