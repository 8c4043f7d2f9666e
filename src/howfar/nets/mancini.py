"""Source 004's networks: Mancini et al.'s VGG19 depth network, and DS-Net with a semantic branch.

Facts: sheet section 1h. Each PReLU has one slope, as in the PyTorch port (starting at .25); the
Keras original learns one for every pixel and channel, which ties it to one input size.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from howfar.errors import UsageError
from howfar.nets.blocks import InputSize, glorot_uniform, scaled
from howfar.nets.encoders import vgg19


class VggDepth(nn.Module):
    """VGG19's features with one decoder for depth and perhaps another for semantics."""

    input_size = InputSize(16)
    encoder_children: tuple[str, ...] = ("features",)
    """Children whose tensors a torchvision file holds."""

    def __init__(
        self, features: nn.Module, depth: nn.Module, semantics: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.features, self.depth, self.semantics = features, depth, semantics

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> {"depth": (B, 1, H, W), "semantics": (B, classes, H, W) logits}.

        H and W are multiples of 16.
        """
        self.input_size.check(images)
        deep = self.features(images)
        found = {"depth": F.relu(self.depth(deep))}
        if self.semantics is not None:
            found["semantics"] = self.semantics(deep)
        return found


def depth_mancini(width: float = 1.0) -> VggDepth:
    """Depth network after Mancini et al.; 21,245,637 parameters at width 1.

    Its input is 256×160 BGR in 0..1, its depth metres. The fifth pooling of VGG19 is left out:
    with it, four deconvolutions could not give a map of the input's size. The decoder starts
    Xavier uniform, with biases 0.
    """
    return VggDepth(vgg19(width), _decoder(width, 1))


def ds_net(width: float = 1.0, classes: int = 30) -> VggDepth:
    """DS-Net: `depth_mancini` and a second decoder; 22,478,519 parameters at width 1.

    Args:
        width: multiplies the channels.
        classes: of the semantic branch. It gives logits: the original's ReLU before the softmax
            is left out.

    Raises `UsageError` where classes is below 1.
    """
    if classes < 1:
        raise UsageError(f"ds-net: classes is {classes}; it takes 1 or more")
    return VggDepth(vgg19(width), _decoder(width, 1), _decoder(width, classes))


def _decoder(width: float, outputs: int) -> nn.Sequential:
    """Four deconvolutions that double, and a 5×5 convolution."""
    given, *outs = (scaled(c, width) for c in (512, 128, 64, 32, 16))
    layers: list[nn.Module] = []
    for out in outs:
        layers += [nn.ConvTranspose2d(given, out, 4, stride=2, padding=1), nn.PReLU()]
        given = out
    decoder = nn.Sequential(*layers, nn.Conv2d(given, outputs, 5, padding=2))
    glorot_uniform(decoder)
    return decoder
