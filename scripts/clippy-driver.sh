#!/usr/bin/env bash
# Compiles one crate of the workspace with clippy's lints, in the place of rustc: `RUSTC_WORKSPACE_WRAPPER` of `make clippy`.
# What runs in production obeys every ban of clippy.toml; a test or an example may read the clock and unwrap.
set -euo pipefail

lints=(--deny=warnings)
if [[ " $* " == *" --test "* || "$*" == */examples/* ]]; then
    for lint in disallowed-methods disallowed-types panic unwrap-used; do lints+=("--allow=clippy::$lint"); done
fi
exec clippy-driver "$@" "${lints[@]}"
