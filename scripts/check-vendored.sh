#!/usr/bin/env bash
# Holds that vendor/dimpl is the published crate as scripts/cut-vendored.sh leaves it, with vendor/dimpl-0.9.0.patch, and
# nothing else: takes the patch off and compares every source file with the checksum of the published one, cut. With the
# folder of the published crate as an argument, it cuts that and compares the files themselves.
set -euo pipefail
cd "$(dirname "$0")/.."
upstream=$(mktemp -d)
trap 'rm -rf "$upstream"' EXIT
fail() {
    echo "check-vendored: vendor/dimpl is not dimpl 0.9.0, cut, with vendor/dimpl-0.9.0.patch: $1" >&2
    echo "check-vendored: vendor/dimpl/PATCH.md tells how the copy, its patch and its checksums are made" >&2
    exit 1
}
cp -r vendor/dimpl/src "$upstream/src"
patch --reverse --strip=1 --fuzz=0 --silent --no-backup-if-mismatch --force --directory="$upstream" \
    < vendor/dimpl-0.9.0.patch || fail "the patch does not come off"
(cd "$upstream" && sha256sum --check --quiet --strict) < vendor/dimpl-0.9.0.sha256 || fail "the files above differ"
listed=$(wc -l < vendor/dimpl-0.9.0.sha256)
there=$(find "$upstream/src" -type f | wc -l)
[ "$listed" = "$there" ] || fail "it has $there source files, the cut crate $listed"

[ $# = 0 ] && exit
mkdir "$upstream/published"
cp -r "$1/src" "$upstream/published/src"
scripts/cut-vendored.sh "$upstream/published"
diff -r "$upstream/published/src" "$upstream/src" || fail "the published crate in $1, cut, differs from it as shown"
