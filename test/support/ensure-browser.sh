#!/usr/bin/env bash
# Makes sure that there is a Chromium that starts, and prints its path as the last line.
# Uses CHROMIUM or the installed one; as root on Debian or Ubuntu it installs one; elsewhere it says what to do.
set -euo pipefail

starts() { [ -n "$1" ] && [ -x "$1" ] && "$1" --version >/dev/null 2>&1; }

find_browser() {
  local name path
  for name in chromium chromium-browser google-chrome; do
    path=$(command -v "$name") || continue
    # Ubuntu's chromium-browser may be a note about snap, which does not start.
    if starts "$path"; then
      echo "$path"
      return
    fi
  done
  return 1
}

is_debian() {
  [ -r /etc/os-release ] && (. /etc/os-release && [[ " ${ID:-} ${ID_LIKE:-} " =~ \ (debian|ubuntu)\  ]])
}

install_browser() {
  echo "Installing chromium" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >&2 || echo "apt-get update failed; going on with the package lists that are there" >&2
  apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core >&2
}

if [ -n "${CHROMIUM:-}" ]; then
  if starts "$CHROMIUM"; then
    echo "$CHROMIUM"
    exit 0
  fi
  echo "CHROMIUM is $CHROMIUM, which does not start: set it to the path of a Chromium, or unset it." >&2
  exit 1
fi

if find_browser; then exit 0; fi
if [ "$(id -u)" = 0 ] && is_debian && install_browser && find_browser; then exit 0; fi
echo "The browser tests need Chromium: install it (on Debian: apt-get install chromium), or set CHROMIUM to its path." >&2
exit 1
