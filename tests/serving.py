"""Servers on this machine for tests: files, and a camera that sends JPEG pictures."""

import contextlib
import http.server
import threading
import time

import cv2


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the pages of the server, and with its camera at /camera."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        with contextlib.suppress(OSError):  # the client goes away, as it may
            if self.path == "/camera" and self.server.camera:
                self.server.camera.show(self)
            else:
                self.page()

    def page(self):
        if self.path not in self.server.pages:
            self.send_error(404)
            return
        kind, body = self.server.pages[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Camera:
    """A camera that runs on whether anybody looks or not: `picture(number)`, `fps` a second.

    It breaks the connection off after the pictures in `breaks` and falls silent after those in
    `silences`. One that `skips` is never behind its time: it leaves out pictures instead.
    """

    def __init__(self, picture, fps, breaks=(), silences=(), skips=False):
        self.picture, self.fps = picture, fps
        self.breaks, self.silences, self.skips = set(breaks), set(silences), skips
        self.start = time.monotonic()
        self.stop = threading.Event()

    def show(self, handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        handler.end_headers()
        number = int((time.monotonic() - self.start) * self.fps) + 1
        while not self.stop.wait(max(0, self.start + number / self.fps - time.monotonic())):
            jpeg = cv2.imencode(".jpg", self.picture(number)[..., ::-1])[1].tobytes()
            head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            handler.wfile.write(head.encode() + jpeg + b"\r\n")
            handler.wfile.flush()
            if self.breaks and number >= min(self.breaks):
                self.breaks.remove(min(self.breaks))
                return
            if self.silences and number >= min(self.silences):
                self.silences.remove(min(self.silences))
                self.stop.wait(30)
                return
            number += 1
            if self.skips:
                number = max(number, int((time.monotonic() - self.start) * self.fps))


@contextlib.contextmanager
def serve(pages=None, camera=None):
    """Serves {path: (content type, bytes)} and a camera; gives the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.pages, server.camera = pages or {}, camera
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        if camera:
            camera.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()
