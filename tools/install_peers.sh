#!/usr/bin/env bash
# Sees to it that programs are there which measurements compare with or are made by, from Debian's or Ubuntu's packages:
#
#   tools/install_peers.sh redis-server postgresql perf valgrind
#
# What cannot be installed is told and left out: the measurement says what it misses. No service is started.
set -euo pipefail

there() {
  case $1 in
    postgresql) compgen -G '/usr/lib/postgresql/*/bin/pgbench' >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing=()
for package in "$@"; do
  there "$package" || missing+=("$package")
done
((${#missing[@]})) || exit 0
missing=("${missing[@]/#perf/linux-perf}") # so the package is called
as_root=()
if ((EUID != 0)); then
  as_root=(sudo -n)
  sudo -n true 2>/dev/null || {
    echo "not installed, which needs root: run 'apt-get install ${missing[*]}' as root" >&2
    exit 0
  }
fi
command -v apt-get >/dev/null || {
  echo "not installed, and there is no apt-get: ${missing[*]}" >&2
  exit 0
}
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
export RUNLEVEL=1 # packages start no service
"${as_root[@]}" apt-get update -qq || true # an old list may do
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
  echo "could not be installed: ${missing[*]}; see the lines above" >&2
}
