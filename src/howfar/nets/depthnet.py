"""depthNet of the slides (source 001), as the facts sheet reads them (section 1f)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from howfar.errors import UsageError
from howfar.nets.blocks import InputSize, he_uniform, scaled

STAGES = ((16, 16), (32, 32), (48, 48), (64, 64), (64,), (64,), (64,))
"""Channels of the encoder's convolutions; each stage halves the size once."""
DECODER = (64, 64, 64, 48, 32, 16)
"""Channels of the decoder's blocks before the last; the slides do not give them."""
STD, SLOPE = 0.02, 0.2


class DepthNet(nn.Module):
    """An encoder down to one pixel and a decoder up again, without skip connections."""

    input_size = InputSize(128, fixed=(128, 128))

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, 128, 128) -> {"depth": (B, out_channels, 128, 128)}, of any sign."""
        self.input_size.check(images)
        return {"depth": self.decoder(self.encoder(images))}


def depthnet(out_channels: int = 1, width: float = 1.0, he_init: bool = False) -> DepthNet:
    """depthNet with 11 convolutions and average poolings, 7 deconvolutions and upsamplings.

    Only 7 poolings can halve 128 pixels; the other four keep the size. Convolutions start from
    N(0, .02²), where .02 is the standard deviation (the slides say variance); so do the weights
    of the instance normalisation, whose biases start at 0. Biases of the convolutions start as
    in PyTorch. From there two pictures' maps differ by about 1e-8, so that hardly anything but
    one map for all pictures is learned; `he_init` is the way out.

    Args:
        out_channels: of the map; the slides say 3, of which a depth needs one.
        width: multiplies the channels.
        he_init: start convolutions He uniform and normalisations at 1, unlike the slides.

    Raises `UsageError` where out_channels is below 1.
    """
    if out_channels < 1:
        raise UsageError(f"depthnet: out_channels is {out_channels}; a map has 1 or more")
    given = 3
    encoder: list[nn.Module] = []
    for stage in STAGES:
        outs = [scaled(c, width) for c in stage]
        encoder += _encoder_stage(given, outs)
        given = outs[-1]
    decoder: list[nn.Module] = []
    for number, out in enumerate([*(scaled(c, width) for c in DECODER), out_channels]):
        decoder += _decoder_block(given, out, norm=number > 0)
        given = out
    net = DepthNet(nn.Sequential(*encoder), nn.Sequential(*decoder))
    if he_init:
        he_uniform(net)
    else:
        _as_slides(net)
    return net


def _encoder_stage(given: int, outs: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for out in outs[:-1]:
        pool = nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)
        layers += [nn.Conv2d(given, out, 3, padding=1), nn.ReLU(inplace=True), pool]
        given = out
    last = nn.Conv2d(given, outs[-1], 3, padding=1)
    return [*layers, last, nn.ReLU(inplace=True), nn.AvgPool2d(2)]


def _decoder_block(given: int, out: int, norm: bool) -> list[nn.Module]:
    """A block that doubles; at one pixel there is nothing to normalise."""
    layers: list[nn.Module] = [nn.ConvTranspose2d(given, out, 3, padding=1)]
    if norm:
        layers.append(nn.InstanceNorm2d(out, affine=True))
    return [*layers, nn.LeakyReLU(SLOPE, inplace=True), nn.Upsample(scale_factor=2.0)]


def _as_slides(net: nn.Module) -> None:
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.InstanceNorm2d):
            nn.init.normal_(layer.weight, std=STD)
        if isinstance(layer, nn.InstanceNorm2d):
            nn.init.zeros_(layer.bias)
