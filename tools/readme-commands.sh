#!/usr/bin/env bash
# Prints the commands of the README's first code block, so that CI runs what a newcomer types.
set -euo pipefail
awk '/^```/ { if (inside) exit; inside = 1; next } inside && NF { sub(/[[:space:]]*#.*/, ""); if (length($0)) print }' \
    "$(dirname "$0")/../README.md"
