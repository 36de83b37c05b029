#!/bin/bash
# Builds ngx_signalbox_module.so, and ngx_stream_signalbox_module.so beside it, against the installed nginx-dev, as Debian builds its own modules. No root, nothing is
# written outside the build folder.
#   build.sh SOURCES BUILD_FOLDER RESULT.so [extra compiler flags]
set -euo pipefail

sources=$(readlink -f "$1")
build=$2
result=$3
flags=${4-}
nginx_sources=/usr/share/nginx/src

mkdir -p "$build/tree"
build=$(readlink -f "$build")
# configure wants to run where its own files are: give it a folder of links, which may be written to.
for part in auto configure src debian conf_flags; do
    if [ -e "$nginx_sources/$part" ]; then
        ln -sfn "$nginx_sources/$part" "$build/tree/$part"
    fi
done
cd "$build/tree"
NGX_CONF_FLAGS=()
# shellcheck disable=SC1091
. ./conf_flags

# as cmake/hardening.cmake
hardening="-fstack-protector-strong -Wformat -Werror=format-security -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"
for flag in -fcf-protection=full -fstack-clash-protection; do # not on every processor
    if ${CC:-cc} "$flag" -Werror -x c -c -o /dev/null /dev/null 2>/dev/null; then
        hardening="$hardening $flag"
    fi
done
cc="-g -O2 -fPIC $hardening $flags"
ld="-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack"

export SB_SOURCE=$sources
stamp=$build/configured
modules=$sources/modules/nginx
wanted="$(cat conf_flags) $cc $ld $(cat "$modules/config" "$modules/stream/config") $(cd "$modules" && echo ./*.c)"
if [ ! -f "$build/Makefile" ] || [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    if ! ./configure "${NGX_CONF_FLAGS[@]}" --with-cc-opt="$cc" --with-ld-opt="$ld" --builddir="$build" \
        --add-dynamic-module="$modules" --add-dynamic-module="$modules/stream" >"$build/configure.log" 2>&1; then
        tail -n 30 "$build/configure.log" >&2
        exit 1
    fi
    printf '%s' "$wanted" >"$stamp"
fi
make -s -f "$build/Makefile" modules
# Not in place: workers may be running in the old one.
for module in ngx_signalbox_module.so ngx_stream_signalbox_module.so; do
    cp "$build/$module" "$result.new"
    mv "$result.new" "$(dirname "$result")/$module"
done
