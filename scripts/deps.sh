#!/bin/sh
# Installs what the build, the tests and the demo need on Debian 12; asks dpkg first, so nothing happens (and no network
# is needed) where everything is there. Needs root or sudo only when something is missing.
set -eu

# one line each, in order
packages="
chromium
clang
clang-format
cmake
curl
default-jdk-headless
dpkg-dev
gcc
libc-ares-dev
libc6-dev
libcmocka-dev
libczmq-dev
libjeromq-java
liblua5.4-dev
libseccomp-dev
libnginx-mod-stream
libpcap-dev
libsodium-dev
libssl-dev
liburing-dev
libuv1-dev
libwslay-dev
libzmq3-dev
lua-cjson-dev
make
nginx
nginx-dev
ninja-build
openssl
pkg-config
prometheus
python3
python3-zmq
valgrind
wrk
"
# Node.js from elsewhere brings an npm of its own.
command -v npm >/dev/null || packages="$packages nodejs npm"
# Makes one more test possible; not worth a failure.
optional=libnginx-mod-http-lua

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

missing=
for package in $packages; do
    is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "missing:$missing (install them as root)" >&2; exit 1; }
    as_root=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# nginx is only a program that tests start themselves: its service need not run.
# shellcheck disable=SC2086
$as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $optional || true
