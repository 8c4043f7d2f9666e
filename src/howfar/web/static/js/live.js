// The camera: frames go out one at a time, and come back with their objects and depth.

import { decodePng16 } from "./png16.js";
import { Failure, queryOf } from "./api.js";

const SIDE = 640;
const QUALITY = 0.85;
// With each answer: the depth, and the picture where the server straightened it.
const WANTED = { depth: "1", picture: "1" };
const REFUSED = [1008, 1013];

export class Live {
  constructor(video, onFrame, onEnd) {
    this.video = video;
    this.onFrame = onFrame;
    this.onEnd = onEnd;
    this.running = false;
    this.starting = false;
  }

  async start(options) {
    this.starting = true;
    try {
      await this.open(options);
    } finally {
      this.starting = false;
    }
  }

  async open(options) {
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
    try {
      await this.video.play();
    } catch (error) {
      for (const track of this.media.getTracks()) track.stop();
      throw new Failure(cameraWords(error));
    }
    this.media.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera was unplugged or taken."));
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/v1/stream${queryOf({ ...options, ...WANTED })}`);
    this.socket.binaryType = "arraybuffer";
    this.running = true;
    this.times = [];
    this.told = null;
    this.taking = Promise.resolve();
    this.socket.onopen = () => this.send();
    this.socket.onmessage = ({ data }) => (this.taking = this.taking.then(() => this.take(data)));
    this.socket.onclose = ({ code }) => {
      const told = REFUSED.includes(code) ? this.told : null;
      this.stop(told ?? "The live connection ended. Is the server still running?");
    };
  }

  change(options) {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ ...options, ...WANTED }));
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

  // The messages of an answer, one after the other.
  async take(data) {
    if (typeof data !== "string") {
      if (this.due.shift() === "depth") this.depth = await decodePng16(data).catch(() => null);
      else this.straight = await createImageBitmap(new Blob([data])).catch(() => null);
      if (!this.due.length) this.finish();
      return;
    }
    const message = JSON.parse(data);
    if (message.error) {
      this.told = message.error;
      if (message.kind !== "Busy" || message.frame === undefined) this.onFrame({ error: message.error });
      if (message.frame !== undefined) setTimeout(() => this.send(), message.kind === "Busy" ? 300 : 1000);
      return;
    }
    this.message = message;
    this.due = ["depth", "picture"].filter((name) => message[name]);
    this.depth = this.straight = null;
    if (!this.due.length) this.finish();
  }

  finish() {
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
      depth: this.depth,
      unit: message.depth?.values_per_metre ?? message.depth?.values_per_unit ?? null,
      source: this.straight ?? this.frame,
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
