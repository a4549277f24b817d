#!/usr/bin/env bash
# Makes sure that a Docker engine answers, and prints one line about it.
# Uses the one that is there; as root on Debian or Ubuntu it installs and starts one; elsewhere it says what to do.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
socket=/var/run/docker.sock
pid_file=/var/run/docker.pid
log=/var/log/slipway-dockerd.log
lock=/run/slipway-engine.lock
start_within_seconds=60
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

find_engine() { node "$here/find-engine.mjs"; }

is_debian() {
  [ -r /etc/os-release ] && (. /etc/os-release && [[ " ${ID:-} ${ID_LIKE:-} " =~ \ (debian|ubuntu)\  ]])
}

# A DOCKER_HOST elsewhere is somebody's choice, and not ours to start.
may_bring_up() {
  [ "$(id -u)" = 0 ] && is_debian && [[ "${DOCKER_HOST:-unix://$socket}" = "unix://$socket" ]]
}

say_what_to_do() {
  if [ -n "${DOCKER_HOST:-}" ]; then
    echo "Start the engine that DOCKER_HOST names, or unset DOCKER_HOST." >&2
  else
    echo "Install and start Docker (https://docs.docker.com/engine/install/), set DOCKER_HOST to an engine elsewhere, or run this as root on Debian or Ubuntu, where it installs docker.io by itself." >&2
  fi
}

install_engine() {
  echo "Installing docker.io and iptables" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >&2 9>&- || echo "apt-get update failed; going on with the package lists that are there" >&2
  apt-get install -q -y --no-install-recommends docker.io iptables >&2 9>&- || {
    echo "docker.io could not be installed: see above what apt-get says, or set DOCKER_HOST to an engine elsewhere." >&2
    return 1
  }
}

dockerd_runs() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

# Prints the process id. Nothing of the caller's goes along: a lock or a pipe would be held open for ever.
start_dockerd() {
  # After a crash another process may have the old number, and dockerd would refuse to start.
  rm -f "$pid_file" /var/run/docker/containerd/containerd.pid
  (
    close_inherited_files
    exec setsid dockerd
  ) </dev/null >>"$log" 2>&1 &
  echo $!
}

close_inherited_files() {
  local file number
  for file in "/proc/$BASHPID/fd"/*; do
    number=${file##*/}
    if ((number > 2)); then eval "exec $number>&-"; fi
  done
}

wait_for_answer() {
  local pid=$1 deadline=$((SECONDS + start_within_seconds))
  until find_engine >/dev/null 2>&1; do
    if ((SECONDS >= deadline)) || { ! kill -0 "$pid" 2>/dev/null && ! dockerd_runs; }; then
      echo "dockerd did not come up. The end of its log ($log):" >&2
      tail -n 20 "$log" >&2
      return 1
    fi
    sleep 0.3
  done
}

start_engine() {
  if [ -d /run/systemd/system ]; then
    systemctl start docker 9>&-
    return
  fi
  touch "$log" 2>/dev/null || log=$(mktemp -t slipway-dockerd.XXXXXX.log)
  echo "Starting dockerd, log in $log" >&2
  local pid=0
  dockerd_runs || pid=$(start_dockerd)
  wait_for_answer "$pid"
}

bring_up() {
  exec 9>"$lock"
  flock 9
  if find_engine 2>/dev/null; then return; fi # somebody else brought it up while we waited
  command -v dockerd >/dev/null && command -v iptables >/dev/null || install_engine
  find_engine >/dev/null 2>&1 || start_engine
  find_engine
}

if find_engine 2>/dev/null; then exit 0; fi
if may_bring_up; then
  bring_up
else
  find_engine || true
  say_what_to_do
  exit 1
fi
