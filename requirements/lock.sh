#!/usr/bin/env bash
# Resolve every requirements/*.in together, then write each .txt with hashes: one consistent set of versions.
# Nothing about where packages come from is written down.
set -euo pipefail
cd "$(dirname "$0")"
together=$(mktemp)
trap 'rm -f "$together"' EXIT
plain=(--quiet --strip-extras --allow-unsafe --no-header --no-annotate
    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options)
../.venv/bin/pip-compile "${plain[@]}" --output-file "$together" build.in runtime.in dev.in clients.in bench.in
for list in build runtime dev clients bench; do
    ../.venv/bin/pip-compile "${plain[@]}" --generate-hashes --constraint "$together" --output-file "$list.txt" "$list.in"
    sed -i '/^#/d; /^$/d' "$list.txt"
done
