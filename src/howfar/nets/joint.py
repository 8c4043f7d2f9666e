"""howfar's own networks: one encoder, one pass, boxes and metric depth with its uncertainty.

ShuffleNetV2 and GhostPAN as in NanoDet-Plus, its detection head, and a depth branch on the same
features (`howfar.nets.depth_branch`).

Depth is that of a canonical camera, whose focal length is `CANONICAL_FOCAL` picture widths:
z = canonical * (focal / width) / CANONICAL_FOCAL. One network then serves all lenses: what it sees
is an object's share of the picture, and z of that is proportional to the focal length.
A student that also expects usual sizes is taught and used with a smaller power of that ratio, see
`ModelCard.focal_exponent`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.errors import UsageError
from howfar.nets.blocks import InputSize
from howfar.nets.depth_branch import DepthBranch, Features
from howfar.nets.nanodet import GhostPan, NanoDetHead, pour
from howfar.nets.shufflenet import ShuffleNet

CANONICAL_FOCAL = 0.81
"""Focal length in picture widths; that of NYU's Kinect (519 px of 640), so that networks trained on
NYU alone give canonical depth of any picture as they are."""
SIZES: dict[str, tuple[tuple[int, int, int], int, tuple[int, int, int], bool]] = {
    "n": ((48, 96, 192), 64, (32, 64, 96), False),
    "s": ((116, 232, 464), 96, (64, 128, 192), True),
    "m": ((176, 352, 704), 128, (80, 160, 240), True),
}
"""Widths of the encoder's stages, of the pyramid and of the depth branch's three levels; whether it
has FastDepth's layers for rooms."""
LOG_ERROR = (-4.0, 1.5)
"""Range of the logarithm of the error scale: 2 % to a factor of 90."""


class Joint(nn.Module):
    """Boxes and depth of a picture in one pass.

    Gives {"detections": (B, P, classes + 32) in the layout of NanoDet-Plus: class scores 0..1 and
    distribution logits (in training: class logits); "log_depth": (B, 1, H/4, W/4) logarithm of
    canonical metres; "log_error": likewise, the logarithm of the scale b of the Laplace
    distribution of its error; "novelty": (B, 1), see `DepthBranch.novelty`;
    with `labels`, "semantics": (B, labels, H/8, W/8) logits; in training, where FastDepth's layers
    are there, "share": (B, 1) logit of how much the other branch counts, and "rooms": like
    "log_depth", what they alone say}.

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
        widths, pyramid, branch, rooms = SIZES[size]
        self.encoder = ShuffleNet(widths, norm)
        self.pyramid = GhostPan(widths, pyramid, norm)
        self.head = NanoDetHead(pyramid, classes, norm)
        self.depth = DepthBranch(widths, pyramid, branch, rooms=rooms)
        self.semantics = nn.Conv2d(branch[0], labels, 3, padding=1) if labels else None

    def forward(self, images: Tensor | Features) -> dict[str, Tensor]:
        """(B, 3, H, W) pictures, sides multiples of 32; or features that were computed before,
        for which there are no detections."""
        found: dict[str, Tensor] = {}
        if isinstance(images, Features):
            seen = images
        else:
            self.input_size.check(images)
            stem, *maps = self.encoder(images)
            pyramid = self.pyramid(maps)
            rows = self.head(pyramid)
            if not self.training:
                count = self.head.classes
                rows = torch.cat([rows[..., :count].sigmoid(), rows[..., count:]], 2)
            found["detections"] = rows
            seen = Features(stem, tuple(maps), pyramid[:3])
        said = self.depth(seen)
        found["log_depth"] = said.log_depth
        found["log_error"] = functional.hardtanh(said.log_error, *LOG_ERROR)
        found["novelty"] = self.depth.novelty(said.pooled)
        if self.training and said.share is not None:
            found["share"] = said.share
        if self.training and said.rooms is not None:
            found["rooms"] = said.rooms
        if self.semantics is not None:
            found["semantics"] = self.semantics(said.fine)
        return found

    @property
    def detector(self) -> tuple[nn.Module, ...]:
        """The parts that find objects."""
        return self.encoder, self.pyramid, self.head

    def start_from_nanodet(self, path: Path) -> None:
        """Take encoder, pyramid and head of a NanoDet-Plus-m ONNX file. Raises `ModelError`."""
        pour(self.encoder, self.pyramid, self.head, path)

    def features(self, images: Tensor) -> Features:
        """What the depth branch sees of (B, 3, H, W) pictures."""
        stem, *maps = self.encoder(images)
        return Features(stem, tuple(maps), self.pyramid(maps)[:3])


def joint(size: str = "s", classes: int = 80, norm: bool = True, labels: int = 0) -> Joint:
    """`howfar-n`, `howfar-s` or `howfar-m`; raises `UsageError` for other sizes."""
    if size not in SIZES:
        raise UsageError(f"joint networks have the sizes {', '.join(SIZES)}, not {size!r}")
    return Joint(size, classes, norm, labels)
