// The camera: frames go out one at a time, and come back with their objects and depth.

import { decodePng16 } from "./png16.js";
import { Failure, queryOf } from "./api.js";

const SIDE = 640;
const QUALITY = 0.85;

export class Live {
  constructor(video, onFrame, onEnd) {
    this.video = video;
    this.onFrame = onFrame;
    this.onEnd = onEnd;
    this.running = false;
  }

  async start(options) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Failure("The camera needs a secure page: open this server as http://localhost or over https.");
    }
    try {
      this.media = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "environment" },
      });
    } catch (error) {
      throw new Failure(cameraWords(error));
    }
    this.video.srcObject = this.media;
    await this.video.play();
    this.media.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera was unplugged or taken."));
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/v1/stream${queryOf({ ...options, depth: "1" })}`);
    this.socket.binaryType = "arraybuffer";
    this.running = true;
    this.times = [];
    this.socket.onopen = () => this.send();
    this.socket.onmessage = (event) => this.take(event.data);
    this.socket.onclose = () => this.stop("The live connection ended. Is the server still running?");
  }

  change(options) {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ ...options, depth: "1" }));
    }
  }

  stop(reason = null) {
    if (!this.running) return;
    this.running = false;
    this.socket.onclose = null;
    this.socket.close();
    for (const track of this.media.getTracks()) track.stop();
    this.video.srcObject = null;
    this.onEnd(reason);
  }

  // The frame that was shown last, as a file.
  picture() {
    return new Promise((resolve) => this.frame.toBlob(resolve, "image/jpeg", 0.95));
  }

  async send() {
    if (!this.running) return;
    const { videoWidth: w, videoHeight: h } = this.video;
    if (!w) {
      setTimeout(() => this.send(), 50);
      return;
    }
    const share = Math.min(1, SIDE / Math.max(w, h));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(w * share);
    canvas.height = Math.round(h * share);
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    this.sent = canvas;
    this.sentAt = performance.now();
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (this.running && this.socket.readyState === WebSocket.OPEN) this.socket.send(await blob.arrayBuffer());
  }

  async take(data) {
    if (typeof data !== "string") {
      await this.finish(await decodePng16(data).catch(() => null));
      return;
    }
    const message = JSON.parse(data);
    if (message.error) {
      if (message.kind !== "Busy" || message.frame === undefined) this.onFrame({ error: message.error });
      if (message.frame !== undefined) setTimeout(() => this.send(), message.kind === "Busy" ? 300 : 1000);
      return;
    }
    this.message = message;
    if (!message.depth) await this.finish(null);
  }

  async finish(depth) {
    if (!this.running || !this.message) return;
    const now = performance.now();
    this.times = [...this.times.filter((time) => now - time < 2000), now];
    const message = this.message;
    this.message = null;
    this.frame = this.sent;
    const latency = now - this.sentAt;
    this.send();
    this.onFrame({
      record: message.result,
      depth,
      unit: message.depth?.values_per_metre ?? message.depth?.values_per_unit ?? null,
      source: this.frame,
      rate: this.times.length / 2,
      latency,
    });
  }
}

function cameraWords(error) {
  if (error.name === "NotAllowedError") {
    return "The camera was not allowed. Allow it beside the address of this page and try again.";
  }
  if (error.name === "NotFoundError") return "No camera was found on this device.";
  if (error.name === "NotReadableError") return "The camera is in use by another program.";
  return `The camera cannot be used (${error.message}).`;
}
