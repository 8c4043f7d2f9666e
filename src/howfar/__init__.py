"""howfar: finds the objects in a picture and says how far away each one is, in metres.

>>> import howfar
>>> ranger = howfar.load()                                 # doctest: +SKIP
>>> result = ranger("kitchen.jpg", max_distance=4.0)       # doctest: +SKIP
>>> for thing in result.objects:                           # doctest: +SKIP
...     print(thing.label, thing.distance_m, thing.interval_m)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from howfar.core.boxes import Box
    from howfar.core.camera import Camera
    from howfar.core.depth import DepthKind, DepthMap
    from howfar.core.detections import Detections
    from howfar.core.distance import Distance, Statistic
    from howfar.core.image import Image
    from howfar.core.profile import CameraProfile
    from howfar.core.result import Object, Result
    from howfar.core.scale import CameraHeight, GivenScale, KnownDistance, ObjectSizes, Scale
    from howfar.core.semantics import LabelMap
    from howfar.core.sizes import TypicalSize
    from howfar.errors import (
        CardError,
        ChecksumError,
        DatasetError,
        DownloadError,
        HowfarError,
        ModelError,
        OutputError,
        PictureError,
        ProfileError,
        ScaleError,
        TrainingError,
        UntrustedError,
        UsageError,
    )
    from howfar.io.profiles import load_profile, save_profile
    from howfar.loading import load
    from howfar.models.card import ModelCard
    from howfar.parts import Join
    from howfar.pipeline import Ranger

__version__ = "0.1.0.dev0"

_HOMES = {
    "howfar.core.boxes": ("Box",),
    "howfar.core.camera": ("Camera",),
    "howfar.core.depth": ("DepthKind", "DepthMap"),
    "howfar.core.detections": ("Detections",),
    "howfar.core.distance": ("Distance", "Statistic"),
    "howfar.core.image": ("Image",),
    "howfar.core.profile": ("CameraProfile",),
    "howfar.core.result": ("Object", "Result"),
    "howfar.core.scale": ("CameraHeight", "GivenScale", "KnownDistance", "ObjectSizes", "Scale"),
    "howfar.core.semantics": ("LabelMap",),
    "howfar.core.sizes": ("TypicalSize",),
    "howfar.errors": (
        "CardError",
        "ChecksumError",
        "DatasetError",
        "DownloadError",
        "HowfarError",
        "ModelError",
        "OutputError",
        "PictureError",
        "ProfileError",
        "ScaleError",
        "TrainingError",
        "UntrustedError",
        "UsageError",
    ),
    "howfar.io.profiles": ("load_profile", "save_profile"),
    "howfar.loading": ("load",),
    "howfar.models.card": ("ModelCard",),
    "howfar.parts": ("Join",),
    "howfar.pipeline": ("Ranger",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Box",
    "Camera",
    "CameraHeight",
    "CameraProfile",
    "CardError",
    "ChecksumError",
    "DatasetError",
    "DepthKind",
    "DepthMap",
    "Detections",
    "Distance",
    "DownloadError",
    "GivenScale",
    "HowfarError",
    "Image",
    "Join",
    "KnownDistance",
    "LabelMap",
    "ModelCard",
    "ModelError",
    "Object",
    "ObjectSizes",
    "OutputError",
    "PictureError",
    "ProfileError",
    "Ranger",
    "Result",
    "Scale",
    "ScaleError",
    "Statistic",
    "TrainingError",
    "TypicalSize",
    "UntrustedError",
    "UsageError",
    "load",
    "load_profile",
    "save_profile",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import howfar` itself stays instant."""
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'howfar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
