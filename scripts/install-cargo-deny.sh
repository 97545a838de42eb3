#!/usr/bin/env bash
# Installs cargo-deny where there is none: from crates.io, into .tools/.
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=0.20.2
if command -v cargo-deny >/dev/null || [ -x .tools/bin/cargo-deny ]; then
    exit 0
fi
cache="$HOME/.cache/cairnlog/tools"
if [ ! -x "$cache/bin/cargo-deny" ]; then
    echo "installing cargo-deny $VERSION (a few minutes, once)"
    CARGO_TARGET_DIR="$cache/target" cargo install cargo-deny --version "$VERSION" --locked --root "$cache" --quiet
    rm -rf "$cache/target"
fi
mkdir -p .tools/bin
ln -sf "$cache/bin/cargo-deny" .tools/bin/cargo-deny
