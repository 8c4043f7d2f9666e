"""An RTSP server for tests, of Debian's GStreamer: `python3 rtsp_server.py PORT VIDEO.mp4`.

Runs with Debian's own Python (gir1.2-gst-rtsp-server-1.0, python3-gi, gstreamer1.0-plugins-good);
`rtsp://127.0.0.1:PORT/live` plays the H.264 video at its own pace, from its start for each client.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - versions come first

port, video = sys.argv[1:]
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f"( filesrc location={video} ! qtdemux ! rtph264pay name=pay0 pt=96 )")
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print("ready", flush=True)  # noqa: T201 - the test waits for it
GLib.MainLoop().run()
