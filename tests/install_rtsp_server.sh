#!/bin/sh
# The RTSP server of the tests: GStreamer of Debian or Ubuntu. Does nothing where it is installed.
set -eu
packages="gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good"
if dpkg -s $packages >/dev/null 2>&1; then
    exit 0
fi
root=""
[ "$(id -u)" = 0 ] || root="sudo"
$root apt-get update -q
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -q --no-install-recommends $packages
