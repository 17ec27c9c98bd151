#!/usr/bin/env bash
# Sees to it that prometheus and promtool are there: from Debian's or Ubuntu's package, unless they are installed.
set -euo pipefail

if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
  exit 0
fi
as_root=()
if ((EUID != 0)); then
  as_root=(sudo -n)
  sudo -n true 2>/dev/null || {
    echo "Prometheus is missing and may not be installed without root: run 'apt-get install prometheus' as root." >&2
    exit 2
  }
fi
command -v apt-get >/dev/null || {
  echo "Prometheus is missing and there is no apt-get: put prometheus and promtool (2.42 or later) on the PATH." >&2
  exit 2
}
echo "installing prometheus"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq || true # an old list may do
"${as_root[@]}" apt-get install -y -qq --no-install-recommends prometheus >/dev/null || {
  echo "The package prometheus could not be installed: see the lines above, or install it by hand." >&2
  exit 2
}
