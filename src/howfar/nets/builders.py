"""Every network by its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from howfar.errors import UsageError
from howfar.nets.blocks import InputSize
from howfar.nets.darknet import darknet
from howfar.nets.depthnet import DepthNet, depthnet
from howfar.nets.hybrid import HybridCnn, hybrid_cnn
from howfar.nets.joint import Joint, joint
from howfar.nets.mancini import VggDepth, depth_mancini, ds_net
from howfar.nets.resnet_unet import ResNetUNet, resnet34_unet
from howfar.nets.unet import UNet, plain_unet, unet_diode, unet_nyu
from howfar.nets.yolov4 import yolov4
from howfar.nets.yolov5 import YoloV5, yolov5

NETS: dict[str, Callable[..., nn.Module]] = {
    "unet-nyu": unet_nyu,
    "hybrid-cnn": hybrid_cnn,
    "resnet34-unet": resnet34_unet,
    "plain-unet": plain_unet,
    "depthnet": depthnet,
    "unet-diode": unet_diode,
    "depth-mancini": depth_mancini,
    "ds-net": ds_net,
    "yolov5": yolov5,
    "yolov4": yolov4,
    "darknet": darknet,
    "joint": joint,
}
"""The function that builds each network."""

INPUTS: dict[str, InputSize] = {
    "unet-nyu": UNet.input_size,
    "hybrid-cnn": HybridCnn.input_size,
    "resnet34-unet": ResNetUNet.input_size,
    "plain-unet": UNet.input_size,
    "depthnet": DepthNet.input_size,
    "unet-diode": UNet.input_size,
    "depth-mancini": VggDepth.input_size,
    "ds-net": VggDepth.input_size,
    "yolov5": YoloV5.input_size,
    "yolov4": InputSize(32),
    "darknet": InputSize(1),
    "joint": Joint.input_size,
}
"""Which pictures each network takes."""


def build(name: str, **options: Any) -> nn.Module:
    """The network of that name with fresh weights, in training mode.

    Args:
        name: a key of `NETS`.
        options: arguments of its builder, by name.

    Raises `UsageError` for unknown names and options, and for options of another type.
    """
    if name not in NETS:
        raise UsageError(f"network {name!r} is unknown; use one of {', '.join(NETS)}")
    known = inspect.signature(NETS[name]).parameters
    for option in options:
        if option not in known:
            raise UsageError(f"{name}: option {option!r} is unknown; use one of {', '.join(known)}")
    try:
        return NETS[name](**options)
    except UsageError:
        raise
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: an option of {options} has an impossible value") from error
