#!/usr/bin/env bash
# Installs what Martlet needs from Debian's packages (and, for tests, Python clients into .venv).
#   setup.sh run    what a running cloud needs
#   setup.sh image  also what building the guest image needs
#   setup.sh test   all that, and the clients that the tests drive the cloud with
#   setup.sh bench  what `make bench` measures disks with
set -euo pipefail
cd "$(dirname "$0")/.."

run="pkg-config libsqlite3-dev libmariadb-dev qemu-system-x86 qemu-utils seabios ipxe-qemu dnsmasq-base nftables radvd iproute2 iputils-ping procps kmod"
image="e2fsprogs openssh-client"
test="python3 python3-venv iputils-arping busybox xorriso genisoimage openssl chromium chromium-driver fonts-noto-cjk mariadb-server galera-4 rsync"

case "${1:-run}" in
  run) wanted=$run ;;
  image) wanted="$run $image" ;;
  test) wanted="$run $image $test" ;;
  bench) wanted="$run fio" ;;
  *) echo "usage: setup.sh run|image|test|bench" >&2; exit 2 ;;
esac

missing=""
for package in $wanted; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
if [ -n "$missing" ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "These Debian packages are missing; install them as root: apt-get install$missing" >&2
    exit 1
  fi
  echo "installing:$missing"
  apt-get update -q >/dev/null
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
fi

# The console's page needs noVNC's scripts. Debian's package depends on nodejs and a proxy, and we need neither: only its
# files are unpacked. Without them everything but the console works.
novnc=/usr/local/share/martlet/novnc
if [ ! -e "$novnc/core/rfb.js" ] && [ ! -e /usr/share/novnc/core/rfb.js ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "noVNC is missing: run this as root once, or consoles stay closed" >&2
  else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    chmod 755 "$folder"
    fetch() { (cd "$folder" && apt-get download -q novnc >/dev/null 2>&1); }
    if fetch || { apt-get update -q >/dev/null && fetch; }; then
      echo "unpacking noVNC into $novnc"
      dpkg-deb -x "$folder"/novnc_*.deb "$folder/x"
      mkdir -p "${novnc%/*}"
      cp -r "$folder/x/usr/share/novnc" "$novnc"
      cp "$folder/x/usr/share/doc/novnc/copyright" "$novnc/" 2>/dev/null || true
    else
      echo "noVNC cannot be fetched: consoles stay closed until this script has run with a package archive" >&2
    fi
  fi
fi

if [ "${1:-run}" = test ] && ! .venv/bin/openstack --version >/dev/null 2>&1; then
  echo "installing python-openstackclient into .venv"
  python3 -m venv .venv
  .venv/bin/pip install -q 'python-openstackclient==10.5.0'
fi
if [ "${1:-run}" = test ] && ! .venv/bin/python -c 'import selenium' 2>/dev/null; then
  echo "installing selenium into .venv"
  .venv/bin/pip install -q 'selenium>=4.20'
fi
# Only axe-core's script is used of it, not the browsers that its own driver would bring.
if [ "${1:-run}" = test ] && ! .venv/bin/python -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("axe_playwright_python"))'; then
  echo "installing axe-core into .venv"
  .venv/bin/pip install -q --no-deps 'axe-playwright-python>=0.1.8'
fi
