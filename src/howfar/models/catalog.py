"""Networks that howfar knows by name.

A literal that can be read: name -> card and the places to get the file from. A checksum that its
publisher states, or that several independent projects pin for the same address, is checked after
every download; where there is none the source says `unverified` (`sha256=None`) and a download has
to be confirmed by the user. Licences are those of the weights. Checksums and addresses were
collected from public texts on 2026-11-20; `docs/models.md` says which was checked by whom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from howfar.core.depth import DepthKind
from howfar.core.preprocess import Fit, Preprocess
from howfar.models.card import Decoder, ModelCard
from howfar.models.classes import COCO80, COCO91

DEFAULT_DETECTOR = "howfar-s"
DEFAULT_DEPTH = "howfar-s"
"""What `howfar predict` uses unless told; the one place that decides."""
SHIPPED = ("howfar-s",)
"""Networks that come with the package."""

_GITHUB = "https://github.com"
_HUGGING_FACE = "https://huggingface.co"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Source:
    """One place where a network's file can be had.

    Attributes:
        filename: its name on disk.
        sha256: its checksum, or None: unverified.
        url: its address, or None: only a file that the user brings.
        card: its card where it differs from the entry's.
    """

    filename: str
    sha256: str | None = None
    url: str | None = None
    card: ModelCard | None = None


@dataclass(frozen=True)
class Entry:
    """A named network: its card and its sources, the preferred first."""

    card: ModelCard
    sources: tuple[Source, ...]


def _yolox(name: str, size: int, published: str) -> ModelCard:
    return ModelCard(
        name,
        Decoder.YOLOX,
        Preprocess(size, size, Fit.LETTERBOX_TOP_LEFT, channels="BGR", divisor=1.0),
        COCO80,
        licence="Apache-2.0",
        origin=f"{_GITHUB}/Megvii-BaseDetection/YOLOX",
        published=published,
    )


def _ultralytics(name: str, decoder: Decoder, published: str, precision: str) -> ModelCard:
    return ModelCard(
        name,
        decoder,
        Preprocess(640, 640, Fit.LETTERBOX),
        COCO80,
        precision=precision,
        licence="AGPL-3.0",
        origin=f"{_GITHUB}/ultralytics",
        published=published,
    )


_NANODET = ModelCard(
    name="nanodet-plus-m",
    decoder=Decoder.NANODET_PLUS,
    preprocess=Preprocess(
        416,
        416,
        Fit.STRETCH,
        channels="BGR",
        divisor=1.0,
        mean=(103.53, 116.28, 123.675),
        std=(57.375, 57.12, 58.395),
    ),
    classes=COCO80,
    licence="Apache-2.0",
    origin=f"{_GITHUB}/RangiLyu/nanodet",
    published="COCO val2017 AP .304 at 416",
)

_HOWFAR_S = ModelCard(
    name="howfar-s",
    decoder=Decoder.JOINT,
    preprocess=replace(_NANODET.preprocess, width=288, height=288),
    classes=COCO80,
    depth_kind=DepthKind.METRIC,
    depth_log=True,
    focal_px=0.81 * 288,
    focal_exponent=0.5,
    interval_level=0.8,
    interval_scales=(-2.681, -2.323, -2.114, -1.973, -1.833, -1.685, -1.472, -1.103),
    interval_factors=(3.161, 2.702, 2.451, 2.211, 2.216, 2.247, 1.892, 1.953),
    domain="rooms and roads by daylight",
    licence="Apache-2.0",
    origin="howfar distill; starts as NanoDet-Plus-m",
)

_FASTDEPTH = ModelCard(
    name="fastdepth",
    decoder=Decoder.DEPTH,
    preprocess=Preprocess(224, 224, Fit.STRETCH, interpolation="area"),
    depth_kind=DepthKind.METRIC,
    domain="indoor rooms (NYU Depth v2)",
    licence="MIT",
    origin=f"{_GITHUB}/dwofk/fast-depth",
    published="NYU Depth v2 RMSE .604 m, delta1 .771",
)

_PYDNET = ModelCard(
    name="pydnet-kitti",
    decoder=Decoder.DEPTH,
    preprocess=Preprocess(640, 192, Fit.STRETCH, interpolation="area"),
    depth_kind=DepthKind.RELATIVE,
    domain="roads (KITTI)",
    licence="MIT",
    origin=f"{_GITHUB}/FilippoAleotti/mobilePydnet",
)

_MIDAS = ModelCard(
    name="midas-small",
    decoder=Decoder.DEPTH,
    preprocess=Preprocess(256, 256, Fit.STRETCH, interpolation="cubic"),
    depth_kind=DepthKind.RELATIVE_AFFINE,
    domain="anything",
    licence="MIT",
    origin=f"{_GITHUB}/isl-org/MiDaS",
)

_DEPTH_ANYTHING = ModelCard(
    name="depth-anything-v2-small",
    decoder=Decoder.DEPTH,
    preprocess=Preprocess(
        518,
        518,
        Fit.KEEP_ASPECT,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        interpolation="cubic",
        multiple=14,
    ),
    depth_kind=DepthKind.RELATIVE_AFFINE,
    domain="anything",
    licence="Apache-2.0",
    origin=f"{_GITHUB}/DepthAnything/Depth-Anything-V2",
)

_DETR = ModelCard(
    name="detr-resnet-50",
    decoder=Decoder.DETR,
    preprocess=Preprocess(
        800,
        800,
        Fit.KEEP_ASPECT,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        multiple=1,
    ),
    classes=COCO91,
    activation="softmax",
    licence="Apache-2.0",
    origin=f"{_GITHUB}/facebookresearch/detr",
    published="COCO val2017 AP .420",
)

_RT_DETR = ModelCard(
    name="rt-detr-r18",
    decoder=Decoder.DETR,
    preprocess=Preprocess(640, 640, Fit.STRETCH),
    classes=COCO80,
    licence="Apache-2.0",
    origin=f"{_GITHUB}/lyuwenyu/RT-DETR",
    published="COCO val2017 AP .464",
)

_SSD = ModelCard(
    name="ssd-mobilenet-v1",
    decoder=Decoder.TF_DETECTION,
    preprocess=Preprocess(300, 300, Fit.STRETCH, divisor=1.0, layout="NHWC", dtype="uint8"),
    classes=COCO91,
    licence="Apache-2.0",
    origin=f"{_GITHUB}/onnx/models",
    published="COCO AP .23",
)

_YOLOX_RELEASE = f"{_GITHUB}/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_YOLOV5_RELEASE = f"{_GITHUB}/ultralytics/yolov5/releases/download/v7.0"
_ULTRALYTICS = f"{_GITHUB}/ultralytics/assets/releases/download/v8.4.0"
_DA2_RELEASE = f"{_GITHUB}/fabio-sim/Depth-Anything-ONNX/releases/download/v2.0.0"

CATALOG: dict[str, Entry] = {
    "howfar-s": Entry(
        _HOWFAR_S,
        (
            Source(
                "howfar-s.onnx",
                "9c8b012903127f124f35dd46f2ad3ad7becb2b381aa5dbff740522cde2906888",
            ),
        ),
    ),
    "nanodet-plus-m": Entry(
        _NANODET,
        (
            Source(
                "nanodet_plus_m_416.onnx",
                "897311714da799bc9d382ebd59a75734c676c05b53200ee02169b41bcc557970",
            ),
            Source(
                "nanodet-plus-m_416.onnx",
                "59d2f166088889c902f523bf08079391993491324f0d84847e3c4016a8f7cc3d",
                f"{_GITHUB}/RangiLyu/nanodet/releases/download/v1.0.0-alpha-1/"
                "nanodet-plus-m_416.onnx",
            ),
        ),
    ),
    "yolox-nano": Entry(
        _yolox("yolox-nano", 416, "COCO val2017 AP .258 at 416"),
        (
            Source(
                "yolox_nano.onnx",
                "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
                f"{_YOLOX_RELEASE}/yolox_nano.onnx",
            ),
            Source(
                "yolox_nano.onnx",
                "e8af074932d4ed7e232278e3055cefcdea3edf178874a3694ae292649fb464dd",
            ),
        ),
    ),
    "yolox-tiny": Entry(
        _yolox("yolox-tiny", 416, "COCO val2017 AP .328 at 416"),
        (
            Source(
                "yolox_tiny.onnx",
                "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
                f"{_YOLOX_RELEASE}/yolox_tiny.onnx",
            ),
        ),
    ),
    "yolox-s": Entry(
        _yolox("yolox-s", 640, "COCO val2017 AP .405 at 640"),
        (
            Source(
                "yolox_s.onnx",
                "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
                f"{_YOLOX_RELEASE}/yolox_s.onnx",
            ),
        ),
    ),
    "yolov5n": Entry(
        _ultralytics("yolov5n", Decoder.YOLOV5, "COCO val2017 AP .280 at 640", "float16"),
        (
            Source(
                "yolov5n.onnx",
                "04f0e55c26f58d17145b36045780fe1250d5bd2187543e11568e5141d05b3262",
                f"{_YOLOV5_RELEASE}/yolov5n.onnx",
            ),
        ),
    ),
    "yolov5s": Entry(
        _ultralytics("yolov5s", Decoder.YOLOV5, "COCO val2017 AP .374 at 640", "float16"),
        (Source("yolov5s.onnx", None, f"{_YOLOV5_RELEASE}/yolov5s.onnx"),),
    ),
    "yolov8n": Entry(
        _ultralytics("yolov8n", Decoder.YOLOV8, "COCO val2017 AP .373 at 640", "float32"),
        (
            Source(
                "yolov8n.onnx",
                "b2bc52f40e8e1c532427d5bde3575a5d5b571b739fab2c6df443733ed1589cbd",
                f"{_ULTRALYTICS}/yolov8n.onnx",
            ),
        ),
    ),
    "yolo11n": Entry(
        _ultralytics("yolo11n", Decoder.YOLOV8, "COCO val2017 AP .395 at 640", "float32"),
        (
            Source(
                "yolo11n.onnx",
                "634279b40c07c6391472c51ad45b81ebc48706a9a1fe72dd3396322acd0c053b",
                f"{_ULTRALYTICS}/yolo11n.onnx",
            ),
        ),
    ),
    "yolo26n": Entry(
        _ultralytics("yolo26n", Decoder.END_TO_END, "COCO val2017 AP .409 at 640", "float32"),
        (
            Source(
                "yolo26n.onnx",
                "2e947b787d9e787b93a16772a5f55b1d4d8c4d86f53146149c5d6a642442d6f7",
                f"{_ULTRALYTICS}/yolo26n.onnx",
            ),
        ),
    ),
    "rt-detr-r18": Entry(
        _RT_DETR,
        (
            Source(
                "rtdetr_r18vd.onnx",
                "11843b02455cc24009aed24d4c40db721b1093be5ccd6bbe7b9c441abb1d0558",
                f"{_HUGGING_FACE}/onnx-community/rtdetr_r18vd/resolve/"
                "ec641af14c7cc8f93cd641a1458f498abbbbb533/onnx/model.onnx",
            ),
        ),
    ),
    "detr-resnet-50": Entry(
        _DETR,
        (
            Source(
                "detr_resnet_50.onnx",
                "5dffb3205e68b0be1686eea283ecf87e7592d3dceed5dfc83249f7303e9e95e8",
                f"{_HUGGING_FACE}/Xenova/detr-resnet-50/resolve/main/onnx/model.onnx",
            ),
        ),
    ),
    "ssd-mobilenet-v1": Entry(
        _SSD,
        (
            Source(
                "ssd_mobilenet_v1_12.onnx",
                "b8fba5e404077d4048d27fcd1667e85e27e192eb9bf51e696c46a3acd7d21058",
                f"{_HUGGING_FACE}/onnxmodelzoo/ssd_mobilenet_v1_12/resolve/"
                "019281f3fcb151a90e491f3b2f0273f9f31bd6be/ssd_mobilenet_v1_12.onnx",
            ),
            Source(
                "ssd_mobilenet_v1_12.onnx",
                "b8fba5e404077d4048d27fcd1667e85e27e192eb9bf51e696c46a3acd7d21058",
                f"{_GITHUB}/onnx/models/raw/main/validated/vision/"
                "object_detection_segmentation/ssd-mobilenetv1/model/ssd_mobilenet_v1_12.onnx",
            ),
        ),
    ),
    "fastdepth": Entry(
        _FASTDEPTH,
        (
            Source(
                "fastdepth_nyu.onnx",
                "46fcd61c891d79bf5ddb86b30cd6308002e5973cc7a33d9a39bfbdebb3cbe650",
            ),
            Source(
                "fast_depth_256x320.onnx",
                "dfc532a08f0ee34283d890d845e3824973f17240ad1d7eb617d9959ec8dc23c9",
                "https://vgpu.sh/models/depth/fastdepth-320x256.onnx",
                replace(
                    _FASTDEPTH, preprocess=replace(_FASTDEPTH.preprocess, width=320, height=256)
                ),
            ),
        ),
    ),
    "pydnet-kitti": Entry(
        _PYDNET,
        (
            Source(
                "pydnet_pruned_kitti.onnx",
                "4d9ee93e2a802cd26d096390e87fa0a4d5f92792e444f6c2861f345edae9a18e",
            ),
        ),
    ),
    "midas-small": Entry(
        _MIDAS,
        (
            Source(
                "midas_v21_small.onnx",
                "2d8c6cb8f415229daf1eb041024208e2608c9f98e17c81cc7c6ecb449c56fd58",
                f"{_GITHUB}/isl-org/MiDaS/releases/download/v2_1/model-small.onnx",
            ),
        ),
    ),
    "depth-anything-v2-small": Entry(
        _DEPTH_ANYTHING,
        (
            Source(
                "depth_anything_v2_vits.onnx",
                "afb6a5c28f3b6bf1618c6e43f02073ef9dfdc70e937502d51603e57b0a1df10c",
                f"{_HUGGING_FACE}/onnx-community/depth-anything-v2-small/resolve/"
                "4472b7362082ad9968fee890ca0f1e5aca36b93d/onnx/model.onnx",
            ),
            Source(
                "depth_anything_v2_vits_dynamic.onnx",
                "46c4e8eeda3a27f34701831b6a2ec7753d7b38779b215acb5633424703deed8f",
                f"{_DA2_RELEASE}/depth_anything_v2_vits_dynamic.onnx",
            ),
        ),
    ),
    "depth-anything-v2-small-indoor": Entry(
        replace(
            _DEPTH_ANYTHING,
            name="depth-anything-v2-small-indoor",
            depth_kind=DepthKind.METRIC,
            domain="indoor rooms (Hypersim)",
        ),
        (
            Source(
                "depth_anything_v2_vits_indoor_dynamic.onnx",
                "2e25a3f332b34d885a1b3059cab471f7916a36099325810821b2d6e0471f74ad",
                f"{_DA2_RELEASE}/depth_anything_v2_vits_indoor_dynamic.onnx",
            ),
        ),
    ),
    "depth-anything-v2-small-outdoor": Entry(
        replace(
            _DEPTH_ANYTHING,
            name="depth-anything-v2-small-outdoor",
            depth_kind=DepthKind.METRIC,
            domain="roads (Virtual KITTI)",
        ),
        (
            Source(
                "depth_anything_v2_vits_outdoor_dynamic.onnx",
                None,
                f"{_DA2_RELEASE}/depth_anything_v2_vits_outdoor_dynamic.onnx",
            ),
        ),
    ),
}
