#!/usr/bin/env bash
# Runs the node tests (*.test.mjs) of one folder, or one of them, and fails when there are none: a suite that ran nothing proves nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1

mapfile -t tests < <(find "$folder" -name node_modules -prune -o -name '*.test.mjs' -print | sort)
if [ "${#tests[@]}" -eq 0 ]; then
    echo "run-node-tests: no *.test.mjs below $folder" >&2
    exit 1
fi
# install-test-tools.sh put a newer Node there where the system's is too old.
[ ! -x .tools/node ] || PATH="$PWD/.tools:$PATH"
# One file at a time: each browser test wants both cores for itself.
concurrency=()
if node --help | grep -q -- '--test-concurrency'; then concurrency=(--test-concurrency=1); fi
exec node --test "${concurrency[@]}" "${tests[@]}"
