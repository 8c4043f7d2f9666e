"""Hybrid CNN (source 000, section III): ResNet-50, fast up-projections, skip connections.

Facts: sheet section 1b. The official file registers each unpooling twice; this network registers
it once, because a tensor with two names would be averaged twice by whatever walks a state_dict.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from howfar.errors import ModelError
from howfar.nets.blocks import InputSize, conv3x3, normal, scaled
from howfar.nets.encoders import Bottleneck, ResNet, check_fit

DECODER_STD = 0.001
"""Of the decoder's first weights, as the report says; the reference code has .01."""
DUPLICATES = {".unpool_main.": ".main_branch.0.", ".unpool_res.": ".residual_branch.0."}
"""Parts of names in the official file, and the parts that name the same tensors."""


class Unpool(nn.Module):
    """Doubles the size by four convolutions, one for each pixel of a 2×2 cell.

    Equal to inserting zeros and a 5×5 convolution, but for a bias of each own (Laina et al.).
    """

    def __init__(self, given: int, out: int) -> None:
        super().__init__()
        self.conv_A = nn.Conv2d(given, out, (3, 3), padding=1)
        self.conv_B = nn.Conv2d(given, out, (2, 3), padding=1)
        self.conv_C = nn.Conv2d(given, out, (3, 2), padding=1)
        self.conv_D = nn.Conv2d(given, out, (2, 2), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, H, W) -> (B, out, 2H, 2W).

        The even kernels pad only below and to the right: what padding on all sides adds above
        and to the left is cut off, which spares padded copies of x.
        """
        top_left, bottom_left = self.conv_A(x), self.conv_B(x)[:, :, 1:]
        top_right, bottom_right = self.conv_C(x)[:, :, :, 1:], self.conv_D(x)[:, :, 1:, 1:]
        return interleave(top_left, top_right, bottom_left, bottom_right)


def interleave(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Four (B, C, H, W) -> (B, C, 2H, 2W) whose 2×2 cells are [[a, b], [c, d]].

    The channels stay last in memory where they were.
    """
    a, b, c, d = (t.permute(0, 2, 3, 1) for t in (a, b, c, d))
    top, bottom = torch.stack((a, b), 3).flatten(2, 3), torch.stack((c, d), 3).flatten(2, 3)
    return torch.stack((top, bottom), 2).flatten(1, 2).permute(0, 3, 1, 2)


class UpProjection(nn.Module):
    """Fast up-projection: two unpoolings, one of them through a further convolution, summed."""

    def __init__(self, given: int, out: int) -> None:
        super().__init__()
        self.main_branch = nn.Sequential(
            Unpool(given, out),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            conv3x3(out, out),
            nn.BatchNorm2d(out),
        )
        self.residual_branch = nn.Sequential(Unpool(given, out), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, H, W) -> (B, out, 2H, 2W)."""
        return F.relu(self.main_branch(x) + self.residual_branch(x), inplace=True)


class Lateral(nn.Module):
    """[encoder, decoder] through a 1×1 convolution without activation; or the decoder alone."""

    def __init__(self, encoder: int, decoder: int, lateral: bool) -> None:
        super().__init__()
        self.lateral = lateral
        self.conv = nn.Conv2d(decoder + (encoder if lateral else 0), decoder, 1)

    def forward(self, decoder: Tensor, encoder: Tensor) -> Tensor:
        """(B, decoder, H, W), (B, encoder, H, W) -> (B, decoder, H, W)."""
        x = torch.cat([encoder, decoder], dim=1) if self.lateral else decoder
        out: Tensor = self.conv(x)
        return out


class HybridCnn(ResNet):
    """A ResNet-50 that goes on as a decoder; so its names are torchvision's and the reference's.

    Args:
        width: multiplies the channels.
        lateral: with skip connections; without, it is an ablation against Laina et al.
    """

    input_size = InputSize(32)

    def __init__(self, width: float = 1.0, lateral: bool = True) -> None:
        super().__init__(Bottleneck, (3, 4, 6, 3), width)
        skip4, skip3, skip2, skip1, deep = self.channels
        c0, c1, c2, c3, c4 = (scaled(c, width) for c in (1024, 512, 256, 128, 64))
        self.conv2, self.bn2 = nn.Conv2d(deep, c0, 1), nn.BatchNorm2d(c0)
        self.up_proj1 = UpProjection(c0, c1)
        self.up_proj2 = UpProjection(c1, c2)
        self.up_proj3 = UpProjection(c2, c3)
        self.up_proj4 = UpProjection(c3, c4)
        self.drop = nn.Dropout(0.5)
        self.conv3 = conv3x3(c4, 1)
        self.con_conv1 = Lateral(skip1, c1, lateral)
        self.con_conv2 = Lateral(skip2, c2, lateral)
        self.con_conv3 = Lateral(skip3, c3, lateral)
        self.con_conv4 = Lateral(skip4, c4, lateral)
        init_decoder(self)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> {"depth": (B, 1, H/2, W/2)}; H and W are multiples of 32."""
        self.input_size.check(images)
        skip4, skip3, skip2, skip1, deep = self.features(images)
        x = self.bn2(self.conv2(deep))
        x = self.con_conv1(self.up_proj1(x), skip1)
        x = self.con_conv2(self.up_proj2(x), skip2)
        x = self.con_conv3(self.up_proj3(x), skip3)
        x = self.con_conv4(self.up_proj4(x), skip4)
        return {"depth": F.relu(self.conv3(self.drop(x)))}


def hybrid_cnn(width: float = 1.0, lateral: bool = True) -> HybridCnn:
    """Hybrid CNN; 64,614,017 parameters at width 1 with skip connections.

    Its input is 320×256 with ImageNet's mean and std, its depth 160×128 metres.
    """
    return HybridCnn(width, lateral)


def init_decoder(net: HybridCnn, std: float = DECODER_STD) -> None:
    """Draw the weights of all convolutions behind the encoder from N(0, std²), biases 0."""
    for name, child in net.named_children():
        if name not in net.encoder_children:
            normal(child, std)


def load_hybrid(state: Mapping[str, Tensor]) -> HybridCnn:
    """The network with the weights of the official file, `read_state("hyb_net_weights.model")`.

    Args:
        state: its 531 tensors, or the 467 that are left without the duplicates.

    Raises `ModelError` where tensors are missing, unexpected or of another shape, and where
    duplicates differ.
    """
    net = hybrid_cnn()
    weights = without_duplicates(state)
    check_fit(weights, net.state_dict(), "hybrid-cnn")
    net.load_state_dict(weights, strict=False)
    return net


def without_duplicates(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under one name each. Raises `ModelError` where two copies of one differ."""
    weights: dict[str, Tensor] = {}
    for name, value in state.items():
        single = name
        for part, same in DUPLICATES.items():
            single = single.replace(part, same)
        if single in weights and not torch.equal(weights[single], value):
            raise ModelError(
                f"hybrid-cnn: {name} occurs twice in these weights, with different values; "
                "save them again from the network that they were trained with"
            )
        weights[single] = value
    return weights
