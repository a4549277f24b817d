#!/usr/bin/env bash
# What `npm test` runs: everything, fast parts first, up to the first failure. It fetches what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# A step that hangs is a failed one.
step() {
  local title=$1 minutes=$2
  shift 2
  printf '\n== %s\n' "$title"
  timeout --kill-after=10 "${minutes}m" "$@" &
  running=$!
  wait "$running" || fail "$title" $?
}
# It is in a process group of its own, which the terminal does not reach.
trap 'kill "$running"' HUP INT TERM

fail() {
  printf '\n== failed: %s (exit code %s)\n' "$1" "$2" >&2
  exit "$2"
}

step 'type check' 5 npm run --silent typecheck
step 'lint' 5 npm run --silent lint
step 'unit tests' 25 npm run --silent test:unit
step 'Docker engine' 10 bash docker/ensure-engine.sh
step 'base image' 5 node docker/base-image.mjs
step 'build' 5 npm run --silent build
step 'engine tests' 30 npm run --silent test:docker
step 'browser' 10 bash test/support/ensure-browser.sh
CHROMIUM=$(bash test/support/ensure-browser.sh)
export CHROMIUM
step 'browser tests' 15 npm run --silent test:browser
printf '\n== all passed\n'
