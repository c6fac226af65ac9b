#!/usr/bin/env bash
# Takes out of a copy of the published dimpl 0.9.0, whose folder is named, what the features that Chappe builds it with
# never compile: the second cryptographic backend, and the modules of tests. Those that the patch changes or stands
# beside stay, so that one patch fits both the copy and its authors' tree.
set -euo pipefail
cd "${1:?the folder that has the crate\'s src}"
rm -r src/crypto/rust_crypto src/dtls12/message/config.rs

kept='src/dtls12/message/mod.rs src/dtls13/message/extensions/signature_algorithms.rs'
find src -name '*.rs' | while read -r file; do
    case " $kept " in *" $file "*) continue ;; esac
    # A module of tests begins with `#[cfg(test)]` at the margin, and ends with the first brace there; the empty line before
    # it goes with it.
    awk '
        cutting { if ($0 == "}") cutting = 0; next }
        held == "" && /^$/ { empty = empty "\n"; next }
        /^#\[cfg\((test|all\(test, .*\))\)\]$/ || (held != "" && /^#\[/) { held = held $0 "\n"; next }
        held != "" && /^mod [a-z0-9_]+ \{$/ { empty = held = ""; cutting = 1; next }
        { printf "%s%s%s\n", empty, held, $0; empty = held = "" }
    ' "$file" > "$file.cut"
    mv "$file.cut" "$file"
done
