#!/usr/bin/env bash
# Install the chain tools, the ERC-3643 artifacts and what the pages use from package-lock.json, or say in one sentence what
# is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "Deedbook's local chain needs Node 20 or newer with npm on PATH; install it and run make again." >&2
    exit 1
fi
if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'; then
    echo "Deedbook's local chain needs Node 20 or newer; this is $(node --version)." >&2
    exit 1
fi
echo "Installing the chain tools and the pages' libraries from npm (about 60 MB)."
# The real binaries come as packages of their own; no script of a package needs to run.
npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
# The pages load these from us and from nowhere else.
mkdir -p web/lib
cp node_modules/lightweight-charts/dist/lightweight-charts.standalone.production.mjs web/lib/lightweight-charts.mjs
cp node_modules/uplot/dist/uPlot.esm.js web/lib/uplot.mjs
cp node_modules/uplot/dist/uPlot.min.css web/lib/uplot.css
touch node_modules/.installed
