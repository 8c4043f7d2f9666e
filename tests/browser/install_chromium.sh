#!/bin/sh
# Installs Chromium from Debian's packages for the browser tests, where there is none yet.
# Needs apt-get, and to be root or to have sudo without a password. Where it cannot, it says so and
# the browser tests are skipped with that reason; everything else runs.
set -u
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if ! command -v apt-get >/dev/null 2>&1; then
    echo "browser tests: no Chromium here, and no apt-get to install it with" >&2
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo"
else
    echo "browser tests: no Chromium here, and neither root nor sudo to install it with" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
echo "browser tests: installing Chromium (apt-get install chromium)" >&2
if ! { $as_root apt-get update -q && $as_root apt-get install -y -q --no-install-recommends \
    chromium fonts-dejavu-core; } >/dev/null 2>&1; then
    echo "browser tests: apt-get could not install Chromium; they will be skipped" >&2
fi
