"""Addresses of data sets: `format:path[?option=value&...]`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from howfar.data.coco import open_coco
from howfar.data.dataset import Dataset
from howfar.data.diode import open_diode
from howfar.data.kitti_depth import open_kitti_raw, open_kitti_selection
from howfar.data.kitti_object import open_kitti_object
from howfar.data.kitti_stereo import open_kitti_stereo
from howfar.data.megadepth import open_megadepth
from howfar.data.nyu import open_nyu_csv, open_nyu_mat
from howfar.data.pictures import open_pictures
from howfar.data.rgbd import open_rgbd
from howfar.data.synthetic.dataset import open_synthetic
from howfar.data.vkitti import open_vkitti1, open_vkitti2
from howfar.data.voc import open_voc
from howfar.data.wsvd import open_wsvd
from howfar.data.yolo_txt import open_yolo
from howfar.errors import DatasetError, UsageError


@dataclass(frozen=True)
class Format:
    """One way in which data lie on disk.

    Attributes:
        open: opens a path with options, all of them text.
        what: the data in a few words.
        options: option -> its values.
        on_disk: whether the path is a file or folder; the synthetic world's is a kind of world.
    """

    open: Callable[..., Dataset]
    what: str
    options: dict[str, str]
    on_disk: bool = True


_WORLDS = {
    "split": "train, val, test or all",
    "worlds": "0001,0002,...",
    "variations": "clone,fog,...",
    "sky": "invalid or far",
}

FORMATS: dict[str, Format] = {
    "nyu-mat": Format(
        open_nyu_mat,
        "NYU Depth v2, labelled .mat",
        {"split": "all, train or test", "splits": "splits.mat"},
    ),
    "nyu-csv": Format(
        open_nyu_csv, "NYU Depth v2, CSV list of picture pairs", {"split": "train or test"}
    ),
    "kitti-object": Format(
        open_kitti_object,
        "KITTI object: boxes, 3-D boxes, lidar",
        {"split": "training or testing", "frames": "file of frame numbers"},
    ),
    "kitti-raw": Format(
        open_kitti_raw,
        "KITTI raw frames of a list (Eigen, BTS, Zhou)",
        {
            "frames": "list file",
            "depth": "auto, lidar, forward or improved",
            "improved": "folder of the depth benchmark",
        },
    ),
    "kitti-selection": Format(open_kitti_selection, "KITTI depth, val_selection_cropped", {}),
    "kitti-stereo": Format(
        open_kitti_stereo, "KITTI stereo 2015 disparity", {"disparity": "occ or noc"}
    ),
    "vkitti1": Format(open_vkitti1, "Virtual KITTI 1.3.1", _WORLDS),
    "vkitti2": Format(open_vkitti2, "Virtual KITTI 2", {**_WORLDS, "camera": "0, 1 or both"}),
    "diode": Format(open_diode, "DIODE", {"split": "train or val", "place": "indoors or outdoor"}),
    "megadepth": Format(open_megadepth, "MegaDepth v1", {"kind": "all, depth or ordinal"}),
    "wsvd": Format(
        open_wsvd,
        "WSVD stereo videos",
        {"split": "train or test", "frames": "list file", "every": "number of frames"},
    ),
    "coco": Format(
        open_coco,
        "COCO boxes",
        {"split": "val2017, ...", "images": "folder", "annotations": "JSON file"},
    ),
    "voc": Format(open_voc, "PASCAL VOC boxes", {"split": "list in ImageSets/Main"}),
    "yolo": Format(
        open_yolo, "YOLO text labels", {"split": "subfolder", "names": "file of class names"}
    ),
    "pictures": Format(open_pictures, "a folder of pictures without truth, for `distill`", {}),
    "rgbd": Format(open_rgbd, "folders rgb/ and depth/, cameras.json", {"unit": "mm or kitti"}),
    "synthetic": Format(
        open_synthetic,
        "rendered scenes; the path is indoor, street or mixed",
        {
            "count": "number of scenes",
            "seed": "number of the first",
            "size": "320x240, ...",
            "stereo": "yes or no",
            "level": "yes or no",
        },
        on_disk=False,
    ),
}
"""Every format by its name in an address."""


@dataclass(frozen=True)
class Address:
    """A parsed address; `str()` gives it back."""

    format: str
    path: Path
    options: dict[str, str]

    def __str__(self) -> str:
        options = "&".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.format}:{self.path}" + (f"?{options}" if options else "")


def parse_address(text: str) -> Address:
    """Split `format:path[?option=value&...]`; raises `UsageError` for unknown words.

    The part behind the last `?` is options. `~` in the path is the home folder.
    """
    name, colon, rest = text.partition(":")
    known = ", ".join(FORMATS)
    if not colon or name not in FORMATS:
        raise UsageError(f"data {text!r}: expected FORMAT:PATH with one of the formats {known}")
    place, mark, query = rest.rpartition("?")
    place = place if mark else rest
    if not place:
        raise UsageError(f"data {text!r}: no path behind {name!r}; expected {name}:PATH")
    options: dict[str, str] = {}
    for part in query.split("&") if mark else []:
        option, equals, value = part.partition("=")
        allowed = FORMATS[name].options
        if option not in allowed:
            told = ", ".join(f"{o} ({v})" for o, v in allowed.items()) or "none"
            raise UsageError(f"data {text!r}: unknown option {option!r}; {name} has {told}")
        if not equals or not value:
            raise UsageError(f"data {text!r}: option {option!r} has no value: {option}=...")
        options[option] = value
    return Address(name, Path(place).expanduser(), options)


def open_dataset(address: str | Address) -> Dataset:
    """The data set at an address. Pictures are read when a sample is asked for.

    Raises `UsageError` for an address that cannot be, `DatasetError` where nothing of that format
    is at the path.
    """
    found = parse_address(address) if isinstance(address, str) else address
    form = FORMATS[found.format]
    if form.on_disk and not found.path.exists():
        raise DatasetError(f"{found.path}: no such file or folder (data {found})")
    return form.open(found.path, **found.options)
