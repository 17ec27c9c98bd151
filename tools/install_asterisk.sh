#!/usr/bin/env bash
# Sees to it that a real Asterisk and SIPp are there for `make test-asterisk`, without touching an Asterisk of this
# machine: SIPp is Debian's package sip-tester, and Asterisk goes into a folder of its own by debootstrap, because
# Debian's stable releases have none. Quick when all is there. Delete the folder and nothing is left of Asterisk.
#
#   ACD_ASTERISK_ROOT   /var/tmp/acd-asterisk/root   the folder
#   ACD_ASTERISK_SUITES "sid bullseye"               Debian releases to try, in this order
set -euo pipefail

root=${ACD_ASTERISK_ROOT:-/var/tmp/acd-asterisk/root}
suites=${ACD_ASTERISK_SUITES:-sid bullseye}
mark=$root/etc/acd-installed
log=$root.log

if [ -s "$mark" ] && command -v sipp >/dev/null; then
  exit 0
fi
if ((EUID != 0)); then
  command -v sudo >/dev/null && sudo -n true 2>/dev/null || {
    echo "A real Asterisk is not installed yet, which needs root: run 'sudo tools/install_asterisk.sh'." >&2
    exit 2
  }
  exec sudo -n env ACD_ASTERISK_ROOT="$root" ACD_ASTERISK_SUITES="$suites" "$0"
fi
command -v apt-get >/dev/null || {
  echo "A real Asterisk is installed by debootstrap on Debian or Ubuntu only, and there is no apt-get here." >&2
  exit 2
}
export DEBIAN_FRONTEND=noninteractive
missing=()
command -v sipp >/dev/null || missing+=(sip-tester)
command -v debootstrap >/dev/null || missing+=(debootstrap)
if ((${#missing[@]})); then
  echo "installing ${missing[*]}"
  apt-get update -qq || true # an old list may do
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
    echo "The packages ${missing[*]} could not be installed: see the lines above, or install them by hand." >&2
    exit 2
  }
fi
[ ! -s "$mark" ] || exit 0

# The archive of this machine's own apt configuration, other than that of security updates.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m 1 '/debian/\?$' || true)
mirror=${mirror:-http://deb.debian.org/debian}

inside() { chroot "$root.new" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

# make_root SUITE: built aside, and moved into place when whole.
make_root() {
  rm -rf --one-file-system "$root.new"
  debootstrap --variant=minbase "$1" "$root.new" "$mirror" || return 1
  printf '#!/bin/sh\nexit 101\n' >"$root.new/usr/sbin/policy-rc.d" # packages start no daemon
  chmod 755 "$root.new/usr/sbin/policy-rc.d"
  # A mirror's copy of sid may be older than its own Valid-Until; its signature is still checked.
  inside apt-get -o Acquire::Check-Valid-Until=false update || return 1
  inside apt-get install -y --no-install-recommends asterisk || return 1
  inside apt-get clean
  inside asterisk -V >"$root.new/etc/acd-installed" || return 1
}

mkdir -p "$(dirname "$root")"
for suite in $suites; do
  echo "installing Asterisk from Debian $suite into $root (a minute or two; log: $log)"
  if make_root "$suite" >>"$log" 2>&1; then
    rm -rf --one-file-system "$root"
    mv "$root.new" "$root"
    cat "$mark"
    exit 0
  fi
done
echo "No release of ($suites) gave a working Asterisk: see the end of $log." >&2
exit 2
