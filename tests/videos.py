"""Videos for tests: every frame tells its number by black and white blocks."""

import itertools
from fractions import Fraction

import av
import numpy as np

BLOCK = 16
WIDTH, HEIGHT = 64, 48
BITS = (WIDTH // BLOCK) * (HEIGHT // BLOCK)
RATE = 48000


def numbered(number, width=WIDTH, height=HEIGHT):
    """A picture whose 4 x 3 blocks of 16 pixels at the top left are the bits of `number`."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    for bit in range(BITS):
        y, x = (BLOCK * side for side in divmod(bit, WIDTH // BLOCK))
        pixels[y : y + BLOCK, x : x + BLOCK] = 235 if number >> bit & 1 else 20
    return pixels


def number_of(pixels):
    """The number that a picture tells, though it was compressed."""
    blocks = pixels[:HEIGHT, :WIDTH].mean(2)
    means = blocks.reshape(HEIGHT // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK).mean((1, 3)).ravel()
    return sum(1 << bit for bit in range(BITS) if means[bit] > 128)


def write_video(
    path, pictures, fps=25, times=None, codec="libx264", sound=None, turn=None, aspect=None, **more
):
    """Write pictures (arrays, or numbers of `numbered` ones) with PyAV; returns the path.

    `times` are seconds of the frames, `turn` the arguments of `set_display_rotation`, `more`
    options of the codec.
    """
    pictures = (numbered(one) if isinstance(one, int) else one for one in pictures)
    first = next(pictures)
    base = 1 / Fraction(fps) if times is None else Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=more)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = base
        if turn is not None:
            stream.set_display_rotation(*turn)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        track = container.add_stream(sound, rate=RATE) if sound else None
        if track:
            track.layout = "mono"
        done = 0
        for i, pixels in enumerate(itertools.chain([first], pictures)):
            time_s = i / fps if times is None else times[i]
            while track and done < time_s * RATE:
                container.mux(track.encode(tone(done, track.codec_context.format.name)))
                done += 1024
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(time_s / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if track:
            container.mux(track.encode())
    return path


def tone(start, kind):
    """1024 samples of a tone whose loudness grows with time, from sample `start` on."""
    at = np.arange(start, start + 1024)
    wave = np.sin(at / 10) * np.minimum(at / RATE / 10, 1)
    values = (wave * 32767).astype(np.int16) if kind.startswith("s16") else wave.astype(np.float32)
    frame = av.AudioFrame.from_ndarray(values[None], format=kind, layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
    return frame


def spoil(path, number):
    """Overwrite the data of one packet of a video with zeros."""
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[number]
        at, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    data[at + 8 : at + size] = bytes(size - 8)
    path.write_bytes(data)


def read_back(path):
    """All frames of a video as PyAV alone reads them: (seconds, pixels)."""
    with av.open(str(path)) as container:
        return [
            (frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)
        ]
