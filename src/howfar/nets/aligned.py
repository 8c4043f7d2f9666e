"""ShuffleNetV2 with the same answers in layers for which ONNX Runtime has quick kernels.

Its blocked convolutions take channels in multiples of `MULTIPLE`. The units of stride 8 of the
paper's 1.0x have 58; here they have two more, of zeros. Shuffling and halving the channels, before
every unit, is one look-up of those that pass and one of those that go on, in place of four copies.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from howfar.nets.shufflenet import ShuffleNet, ShuffleUnit

MULTIPLE = 4
"""Of channels."""


def aligned(module: nn.Module) -> nn.Module:
    """A copy of a float32 network in eval mode, for export, every `ShuffleNet` in it aligned.

    Weights keep their names. The batch norms of the units are folded in, and zeros come behind
    the weights that a layer had.
    """
    module = copy.deepcopy(module).eval()
    for part in list(module.modules()):
        if isinstance(part, ShuffleNet):
            part.stages = nn.ModuleList(AlignedStage(_units(stage)) for stage in part.stages)
    return module


class AlignedStage(nn.Sequential):
    """The units of one stage, of which the first has a stride; their layers are replaced."""

    def __init__(self, units: Sequence[ShuffleUnit]) -> None:
        super().__init__(*units)
        first, *others = units
        last = cast("nn.Conv2d", cast("nn.Sequential", first.main[2])[0])
        self.each = last.out_channels
        self.spare = spare = -self.each % MULTIPLE
        first.side = _widened(cast("nn.Sequential", first.side), ((0, 0), (0, spare)))
        first.main = _widened(first.main, ((0, spare), (spare, spare), (spare, spare)))
        for unit in others:
            unit.main = _widened(unit.main, ((spare, spare),) * 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, H / stride, W / stride)."""
        first, *others = _units(self)
        known = torch.cat([cast("nn.Sequential", first.side)(x), first.main(x)], 1)
        places = self._turns(self.each + self.spare)
        for unit in others:
            passing, going = places[: self.each], places[self.each :]
            zeros = range(known.shape[1] - self.spare, known.shape[1])
            changed = unit.main(_chosen(known, [*going, *zeros]))
            known = torch.cat([_chosen(known, passing), changed], 1)
            places = self._turns(self.each)
        return _chosen(known, places)

    def _turns(self, second: int) -> list[int]:
        """Where the channels of the shuffled map are: taken in turns from the first half and from
        the other, which begins at `second`."""
        return [place for i in range(self.each) for place in (i, second + i)]


def _units(stage: nn.Module) -> list[ShuffleUnit]:
    return cast("list[ShuffleUnit]", list(stage.children()))


def _chosen(x: Tensor, places: Sequence[int]) -> Tensor:
    """Some channels of a map."""
    return x.index_select(1, torch.tensor(places, device=x.device))


def _widened(branch: nn.Sequential, spares: Sequence[tuple[int, int]]) -> nn.Sequential:
    """A branch whose layers have so many more inputs and outputs."""
    layers = (cast("nn.Sequential", layer) for layer in branch)
    return nn.Sequential(*(_wide(part, *more) for part, more in zip(layers, spares, strict=True)))


def _wide(layers: nn.Sequential, inputs: int, outputs: int) -> nn.Sequential:
    """Convolution, norm and rectifier with more channels, of zeros; the norm folded in."""
    layer, *rest = layers
    layer = cast("nn.Conv2d", layer)
    if rest and isinstance(rest[0], nn.BatchNorm2d):
        layer, rest = fuse_conv_bn_eval(layer, rest[0]), rest[1:]
    alone = layer.groups > 1
    wide = nn.Conv2d(
        layer.in_channels + inputs,
        layer.out_channels + outputs,
        cast("tuple[int, int]", layer.kernel_size),
        cast("tuple[int, int]", layer.stride),
        cast("tuple[int, int]", layer.padding),
        groups=layer.groups + outputs if alone else 1,
    )
    state = {"weight": (0, 0, 0, 0, 0, 0 if alone else inputs, 0, outputs), "bias": (0, outputs)}
    before = layer.state_dict()
    wide.load_state_dict({name: functional.pad(before[name], more) for name, more in state.items()})
    return nn.Sequential(wide, *rest)
