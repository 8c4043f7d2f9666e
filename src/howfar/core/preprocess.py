"""From a picture to a network's input tensor, and exactly back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray, clip_boxes
from howfar.core.image import RgbArray
from howfar.core.resize import INTERPOLATIONS, resize
from howfar.errors import CardError


class Fit(StrEnum):
    """How a picture is brought to the size of a network's input."""

    STRETCH = "stretch"
    """To exactly the input size; the aspect ratio is lost."""
    LETTERBOX = "letterbox"
    """Scaled to fit, centred, the rest filled with the pad value."""
    LETTERBOX_TOP_LEFT = "letterbox-top-left"
    """Scaled to fit, at the top left, the rest filled with the pad value."""
    KEEP_ASPECT = "keep-aspect"
    """The shorter side scaled to the input's, both sides rounded to `multiple`; no padding."""


@dataclass(frozen=True)
class Placement:
    """Where the picture lies in the network's input: input = picture * scale + offset.

    Attributes:
        scale_x, scale_y: input pixels per picture pixel.
        offset_x, offset_y: where the picture's corner lies in the input, in input pixels.
        content_width, content_height: size of the picture inside the input, in input pixels.
        image_width, image_height: size of the picture in its own pixels.
        input_width, input_height: size of the whole input.
    """

    scale_x: float
    scale_y: float
    offset_x: int
    offset_y: int
    content_width: int
    content_height: int
    image_width: int
    image_height: int
    input_width: int
    input_height: int

    def boxes_to_image(self, boxes: FloatArray) -> FloatArray:
        """(N, 4) boxes in input pixels to boxes in picture pixels, clipped to the picture."""
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        return clip_boxes((boxes - offset) / scale, self.image_width, self.image_height)

    def boxes_to_input(self, boxes: FloatArray) -> FloatArray:
        """(N, 4) boxes in picture pixels to boxes in input pixels."""
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        moved: FloatArray = boxes * scale + offset
        return moved

    def map_to_image(self, values: FloatArray) -> FloatArray:
        """An (h, w) output of the network, any size, to (H, W) of the picture, bilinear.

        Padding is cut off first, so an output at 1/n of the input's size is handled as well.
        """
        height, width = values.shape
        content = np.ascontiguousarray(values[self._content(width, height)], dtype=np.float32)
        return resize(content, self.image_width, self.image_height)

    def labels_to_image(self, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """As `map_to_image` for (h, w) labels, by nearest neighbour."""
        height, width = labels.shape
        content = np.ascontiguousarray(labels[self._content(width, height)])
        return resize(content, self.image_width, self.image_height, "nearest")

    def _content(self, width: int, height: int) -> tuple[slice, slice]:
        """Rows and columns of the picture in an output of `width` x `height`."""
        sx, sy = width / self.input_width, height / self.input_height
        left, top = round(self.offset_x * sx), round(self.offset_y * sy)
        right = max(round((self.offset_x + self.content_width) * sx), left + 1)
        bottom = max(round((self.offset_y + self.content_height) * sy), top + 1)
        return slice(top, bottom), slice(left, right)


@dataclass(frozen=True)
class Preprocess:
    """How a network wants its picture; part of its model card.

    The tensor is ((pixel / `divisor`) - `mean`) / `std`, with mean and std in the order of
    `channels`.

    Attributes:
        width, height: size of the input in pixels. With `KEEP_ASPECT` the shorter side of the
            picture is scaled to `min(width, height)`.
        fit: how the picture is brought to that size.
        channels: `RGB` or `BGR`.
        divisor: 255 for inputs in 0..1, 1 for inputs in 0..255.
        mean, std: per channel, after the division.
        interpolation: one of `nearest`, `bilinear`, `cubic`, `area`. `area` averages when the
            picture shrinks and is bilinear when it grows.
        pad_value: grey value 0..255 of letterbox borders.
        multiple: both sides are made a multiple of this with `KEEP_ASPECT`.
        layout: `NCHW` or `NHWC`.
        dtype: `float32`, `float16` or `uint8`.
        scale_up: whether a letterbox may enlarge a small picture.
        minimal: a letterbox pads only to the next `multiple` on each side, for networks that
            take inputs of any size.
    """

    width: int
    height: int
    fit: Fit = Fit.STRETCH
    channels: str = "RGB"
    divisor: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    interpolation: str = "bilinear"
    pad_value: int = 114
    multiple: int = 32
    layout: str = "NCHW"
    dtype: str = "float32"
    scale_up: bool = True
    minimal: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "fit", _member(Fit, self.fit))
        object.__setattr__(self, "mean", tuple(float(v) for v in self.mean))
        object.__setattr__(self, "std", tuple(float(v) for v in self.std))
        _one_of("channels", self.channels, ("RGB", "BGR"))
        _one_of("layout", self.layout, ("NCHW", "NHWC"))
        _one_of("dtype", self.dtype, ("float32", "float16", "uint8"))
        _one_of("interpolation", self.interpolation, tuple(INTERPOLATIONS))
        if self.width < 1 or self.height < 1 or self.multiple < 1:
            raise CardError(f"preprocessing to {self.width}x{self.height} px is impossible")
        if len(self.mean) != 3 or len(self.std) != 3 or self.divisor <= 0 or min(self.std) <= 0:
            raise CardError("preprocessing needs three means, three positive stds, divisor > 0")
        if not 0 <= self.pad_value <= 255:
            raise CardError(f"pad_value is {self.pad_value}; expected 0..255")

    def place(self, width: int, height: int) -> Placement:
        """Where a picture of `width` x `height` pixels comes to lie in the input."""
        if self.fit is Fit.STRETCH:
            return _placement(width, height, self.width, self.height, self.width, self.height)
        if self.fit is Fit.KEEP_ASPECT:
            ratio = min(self.width, self.height) / min(width, height)
            new_w = max(round(width * ratio / self.multiple), 1) * self.multiple
            new_h = max(round(height * ratio / self.multiple), 1) * self.multiple
            return _placement(width, height, new_w, new_h, new_w, new_h)
        ratio = min(self.width / width, self.height / height)
        if not self.scale_up:
            ratio = min(ratio, 1.0)
        # YOLOv5 rounds the sides of a centred picture, YOLOX cuts those of one at the top left.
        half = 0.5 if self.fit is Fit.LETTERBOX else 0.0
        new_w = max(math.floor(width * ratio + half), 1)
        new_h = max(math.floor(height * ratio + half), 1)
        input_w, input_h = self.width, self.height
        if self.minimal:
            input_w = math.ceil(new_w / self.multiple) * self.multiple
            input_h = math.ceil(new_h / self.multiple) * self.multiple
        left = top = 0
        if self.fit is Fit.LETTERBOX:
            left = round((input_w - new_w) / 2 - 0.1)
            top = round((input_h - new_h) / 2 - 0.1)
        return _placement(width, height, input_w, input_h, new_w, new_h, left, top)

    def __call__(self, pixels: RgbArray) -> tuple[npt.NDArray[np.generic], Placement]:
        """The input tensor, batch of one in this layout and dtype, and where the picture lies.

        `pixels` is (H, W, 3) uint8 RGB.
        """
        height, width = pixels.shape[:2]
        place = self.place(width, height)
        size = (place.content_width, place.content_height)
        if size != (width, height):
            pixels = resize(pixels, *size, self.interpolation)
        if size != (place.input_width, place.input_height):
            pixels = cv2.copyMakeBorder(  # type: ignore[assignment]  # OpenCV does not say uint8
                pixels,
                place.offset_y,
                place.input_height - place.offset_y - place.content_height,
                place.offset_x,
                place.input_width - place.offset_x - place.content_width,
                cv2.BORDER_CONSTANT,
                value=(self.pad_value,) * 3,
            )
        return self._tensor(pixels), place

    def _tensor(self, pixels: RgbArray) -> npt.NDArray[np.generic]:
        order = pixels if self.channels == "RGB" else pixels[..., ::-1]
        if self.dtype == "uint8":
            stacked = order if self.layout == "NHWC" else order.transpose(2, 0, 1)
            return np.ascontiguousarray(stacked)[None]
        scale = np.array([1 / (self.divisor * s) for s in self.std], np.float32)
        shift = np.array([-m / s for m, s in zip(self.mean, self.std, strict=True)], np.float32)
        tensor = np.empty((3, *pixels.shape[:2]), np.float32)
        for c in range(3):
            np.multiply(order[..., c], scale[c], out=tensor[c])
            if shift[c]:
                tensor[c] += shift[c]
        if self.layout == "NHWC":
            tensor = np.ascontiguousarray(tensor.transpose(1, 2, 0))
        return tensor.astype(self.dtype, copy=False)[None]


def _placement(
    width: int, height: int, input_w: int, input_h: int, w: int, h: int, x: int = 0, y: int = 0
) -> Placement:
    return Placement(w / width, h / height, x, y, w, h, width, height, input_w, input_h)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise CardError(f"{name} is {value!r}; expected one of {', '.join(known)}")


def _member(kind: type[Fit], value: str) -> Fit:
    _one_of("fit", value, tuple(kind))
    return kind(value)
