#!/usr/bin/env bash
# What `npm test` runs: everything, fast parts first, up to the first failure. It fetches what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

step() {
  local title=$1
  shift
  printf '\n== %s\n' "$title"
  "$@" || fail "$title" $?
}

fail() {
  printf '\n== failed: %s (exit code %s)\n' "$1" "$2" >&2
  exit "$2"
}

# The browser's path goes to the tests.
find_browser() {
  CHROMIUM=$(bash test/support/ensure-browser.sh | tail -n 1) || return
  export CHROMIUM
  echo "$CHROMIUM"
}

step 'type check' npm run --silent typecheck
step 'lint' npm run --silent lint
step 'unit tests' npm run --silent test:unit
step 'Docker engine' bash docker/ensure-engine.sh
step 'base image' node docker/base-image.mjs
step 'build' npm run --silent build
step 'engine tests' npm run --silent test:docker
step 'browser' find_browser
step 'browser tests' npm run --silent test:browser
printf '\n== all passed\n'
