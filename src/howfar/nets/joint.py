"""howfar's own networks: one encoder, one pass, boxes and metric depth with its uncertainty.

ShuffleNetV2 and GhostPAN as in NanoDet-Plus, its detection head, and a depth branch on the same
features: a U of dense 3x3 convolutions over the encoder's and the pyramid's three levels, enlarged
and joined with the stem's features at stride 4.

Depth is that of a canonical camera, whose focal length is `CANONICAL_FOCAL` picture widths:
z = canonical * (focal / width) / CANONICAL_FOCAL. One network then serves all lenses: what it sees
is an object's share of the picture, and z of that is proportional to the focal length.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.errors import UsageError
from howfar.nets.blocks import InputSize
from howfar.nets.nanodet import GhostPan, NanoDetHead, enlarged, pour
from howfar.nets.shufflenet import STEM, ShuffleNet, conv

CANONICAL_FOCAL = 0.81
"""Focal length in picture widths; that of NYU's Kinect (519 px of 640), so that networks trained on
NYU alone give canonical depth of any picture as they are."""
SIZES: dict[str, tuple[tuple[int, int, int], int, tuple[int, int, int]]] = {
    "n": ((48, 96, 192), 64, (32, 64, 96)),
    "s": ((116, 232, 464), 96, (64, 128, 192)),
    "m": ((176, 352, 704), 128, (80, 160, 240)),
}
"""Widths of the encoder's stages, of the pyramid, of the depth branch's three levels."""
LOG_DEPTH = 0.7
"""Logarithm of metres that a fresh network says: 2 m."""
LOG_ERROR = (-4.0, 1.5)
"""Range of the logarithm of the error scale: 2 % to a factor of 90."""


class DepthBranch(nn.Module):
    """Log depth and the logarithm of its error scale, at stride 4.

    A small U of its own on the features of the detector: what boxes need is not all that depth
    needs, and dense convolutions at strides 16 and 32 are cheap.

    Args:
        maps: channels of the encoder's levels of stride 8, 16 and 32.
        pyramid: channels of the pyramid's.
        widths: of the U at strides 8, 16 and 32; half of the first at stride 4.
        norm: batch norms.
    """

    def __init__(
        self,
        maps: tuple[int, int, int],
        pyramid: int,
        widths: tuple[int, int, int],
        norm: bool = True,
    ) -> None:
        super().__init__()
        low, middle, high = widths
        half = low // 2
        self.lateral = nn.ModuleList(
            conv(channels + pyramid, width, 1, norm=norm)
            for channels, width in zip(maps, widths, strict=True)
        )
        self.down = nn.ModuleList(
            conv(a, b, 3, stride=2, norm=norm) for a, b in ((low, middle), (middle, high))
        )
        self.deep = nn.Sequential(conv(high, high, 3, norm=norm), conv(high, high, 3, norm=norm))
        self.narrow = nn.ModuleList(
            conv(a, b, 1, norm=norm) for a, b in ((high, middle), (middle, low), (low, half))
        )
        self.up = nn.ModuleList(conv(width, width, 3, norm=norm) for width in (middle, low))
        self.stem = conv(STEM, half, 1, norm=norm)
        self.fine = conv(half, half, 3, norm=norm)
        self.out = nn.Conv2d(half, 2, 3, padding=1)
        last = nn.Linear(high, 2)
        features = high + low
        self.scale = nn.Sequential(nn.Linear(features, high), nn.ReLU(), last)
        for layer in (self.out, last):
            nn.init.normal_(layer.weight, std=0.01)
        nn.init.constant_(self.out.bias, 0.0)  # type: ignore[arg-type]  # it has one
        nn.init.constant_(last.bias, 0.0)
        self.usual: Tensor
        self.unlike: Tensor
        self.register_buffer("usual", torch.zeros(features))
        self.register_buffer("unlike", torch.zeros(features, features))

    def forward(
        self, stem: Tensor, maps: tuple[Tensor, ...], pyramid: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log depth (B, 1, H/4, W/4), log error scale, likewise, features of the whole view
        (B, F), and those at stride 8 (B, widths[0], H/8, W/8)."""
        low, middle, high = (
            layer(torch.cat(pair, 1))
            for layer, pair in zip(self.lateral, zip(maps, pyramid, strict=True), strict=True)
        )
        middle = middle + self.down[0](low)
        high = high + self.down[1](middle)
        high = high + self.deep(high)
        middle = self.up[0](middle + enlarged(self.narrow[0](high), middle))
        low = self.up[1](low + enlarged(self.narrow[1](middle), low))
        pooled = torch.cat([high.mean((2, 3)), low.mean((2, 3))], 1)
        scene = self.scale(pooled)[..., None, None]
        x = self.fine(self.stem(stem) + enlarged(self.narrow[2](low), stem))
        log_depth, log_error = (self.out(x) + scene).chunk(2, 1)
        return log_depth + LOG_DEPTH, log_error - 1, pooled, low

    def novelty(self, pooled: Tensor) -> Tensor:
        """(B, 1) Mahalanobis distance of a view's features from those of training, in units that
        99 % of these do not exceed; 0 before `howfar.distill.calibrate` measured them."""
        away = (pooled.detach() - self.usual) @ self.unlike
        return away.square().sum(1, keepdim=True).sqrt()


class Joint(nn.Module):
    """Boxes and depth of a picture in one pass.

    Gives {"detections": (B, P, classes + 32) in the layout of NanoDet-Plus: class scores 0..1 and
    distribution logits (in training: class logits); "log_depth": (B, 1, H/4, W/4) logarithm of
    canonical metres; "log_error": likewise, the logarithm of the scale b of the Laplace
    distribution of its error; "novelty": (B, 1), see `DepthBranch.novelty`;
    with `labels`, "semantics": (B, labels, H/8, W/8) logits}.

    Args:
        size: key of `SIZES`.
        classes: that are detected.
        norm: batch norms in encoder, pyramid and detection head; off for weights into which they
            are folded.
        labels: classes of pixels that the optional semantic head tells apart; 0: no such head.
    """

    input_size = InputSize(32)

    def __init__(
        self, size: str = "s", classes: int = 80, norm: bool = True, labels: int = 0
    ) -> None:
        super().__init__()
        widths, pyramid, branch = SIZES[size]
        self.encoder = ShuffleNet(widths, norm)
        self.pyramid = GhostPan(widths, pyramid, norm)
        self.head = NanoDetHead(pyramid, classes, norm)
        self.depth = DepthBranch(widths, pyramid, branch)
        self.semantics = nn.Conv2d(branch[0], labels, 3, padding=1) if labels else None

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) pictures, sides multiples of 32."""
        self.input_size.check(images)
        stem, *maps = self.encoder(images)
        pyramid = self.pyramid(maps)
        rows = self.head(pyramid)
        if not self.training:
            count = self.head.classes
            rows = torch.cat([rows[..., :count].sigmoid(), rows[..., count:]], 2)
        log_depth, log_error, pooled, fine = self.depth(stem, tuple(maps), pyramid[:3])
        found = {
            "detections": rows,
            "log_depth": log_depth,
            "log_error": functional.hardtanh(log_error, *LOG_ERROR),
            "novelty": self.depth.novelty(pooled),
        }
        return found if self.semantics is None else {**found, "semantics": self.semantics(fine)}

    @property
    def detector(self) -> tuple[nn.Module, ...]:
        """The parts that find objects."""
        return self.encoder, self.pyramid, self.head

    def start_from_nanodet(self, path: Path) -> None:
        """Take encoder, pyramid and head of a NanoDet-Plus-m ONNX file. Raises `ModelError`."""
        pour(self.encoder, self.pyramid, self.head, path)


def joint(size: str = "s", classes: int = 80, norm: bool = True, labels: int = 0) -> Joint:
    """`howfar-n`, `howfar-s` or `howfar-m`; raises `UsageError` for other sizes."""
    if size not in SIZES:
        raise UsageError(f"joint networks have the sizes {', '.join(SIZES)}, not {size!r}")
    return Joint(size, classes, norm, labels)
