"""One literal per system: how its source trained it. Facts and quotes: docs/recipes.md."""

from __future__ import annotations

from howfar.core.preprocess import Fit, Preprocess
from howfar.errors import UsageError
from howfar.train.recipe import Recipe

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_ALL = (
    Recipe(
        name="unet-nyu",
        source="report 000, section II",
        net="unet-nyu",
        preprocess=Preprocess(640, 480),
        target="image-max",
        loss="report",
        optimiser="adam",
        lr=5e-4,
        batch=6,
        epochs=6,
        max_depth_m=10.0,
        align="scale",
        data="NYU Depth v2 labelled, first 200 pictures: 170 to train, 30 to validate",
        published="validation loss .7832 .7341 .2016 .1523 .1101 .1045 over six epochs; no metres",
        remarks="its text says batch 32, which 29 steps of 170 pictures rule out",
    ),
    Recipe(
        name="hybrid-cnn",
        source="report 000, section III (Hybrid CNN)",
        net="hybrid-cnn",
        preprocess=Preprocess(
            320, 256, mean=IMAGENET_MEAN, std=IMAGENET_STD, interpolation="nearest"
        ),
        target="metres",
        loss="berhu",
        augment="hybrid",
        optimiser="sgd",
        optimiser_options={"momentum": 0.9},
        lr=1e-2,
        weight_decay=2.5e-4,
        schedule="steps",
        lr_steps=((10, 5e-3), (20, 1e-3)),
        batch=16,
        epochs=30,
        init="encoder",
        max_depth_m=10.0,
        data="NYU Depth v2 raw, about 48,000 pairs of 249 training scenes; 654 labelled to test",
        published="NYU test: abs_rel .130, RMSE .593 m, log10 .057, delta1 .833",
    ),
    Recipe(
        name="resnet34-unet",
        source="README 003, ResNet encoder",
        net="resnet34-unet",
        preprocess=Preprocess(320, 320),
        target="unit",
        loss="resnet-unet",
        augment="flip",
        optimiser="adam",
        optimiser_options={"amsgrad": True},
        lr=1e-4,
        schedule="linear",
        batch=16,
        epochs=15,
        max_depth_m=10.0,
        data="NYU Depth v2 CSV pairs, 70/30 random split of 32,054",
        published="soft accuracy .83 (its notebook is not stored)",
        remarks="its target is each picture's own range; ours is depth / 10 m, which keeps metres",
    ),
    Recipe(
        name="plain-unet",
        source="README 003, stored notebook",
        net="plain-unet",
        preprocess=Preprocess(320, 240),
        target="unit",
        loss="resnet-unet",
        augment="flip",
        optimiser="adam",
        optimiser_options={"amsgrad": True},
        lr=1e-4,
        schedule="linear",
        batch=16,
        epochs=15,
        max_depth_m=10.0,
        data="NYU Depth v2 CSV pairs, 70/30 random split of 32,054",
        published="654 test pictures: loss .188, soft accuracy .768",
        remarks="as resnet34-unet; target=min-max is the source's own",
    ),
    Recipe(
        name="depthnet",
        source="slides 001",
        net="depthnet",
        preprocess=Preprocess(128, 128),
        target="disparity",
        loss="ssi",
        optimiser="rmsprop",
        optimiser_options={"alpha": 0.99},
        lr=1e-4,
        batch=16,
        epochs=250,
        align="inverse-scale-shift",
        data="MegaDepth to train, WSVD to validate",
        published='none ("medium recall, medium precision")',
        remarks="the slides give no learning rate and misread the loss; loss=ssi-slides is theirs",
    ),
    Recipe(
        name="unet-diode",
        source="paper 002 (DIODE)",
        net="unet-diode",
        preprocess=Preprocess(256, 256),
        target="log",
        loss="ssim-mare",
        optimiser="adam",
        lr=2e-4,
        batch=32,
        epochs=30,
        max_depth_m=300.0,
        protocol="diode",
        data="DIODE val/indoors, 260 pictures (seed 42) to train, the rest to validate",
        published="training loss .7228 to .2385 in ten epochs",
    ),
    Recipe(
        name="depth-mancini",
        source="paper 004 (its baseline, Mancini et al.)",
        net="depth-mancini",
        preprocess=Preprocess(256, 160, channels="BGR"),
        target="metres",
        loss="log-rmse",
        optimiser="adam",
        lr=1e-4,
        clip_norm=1.0,
        batch=32,
        epochs=40,
        init="encoder",
        max_depth_m=40.0,
        clamp=True,
        protocol="vkitti-scene0002",
        monitor="rmse_log1p",
        seed=123,
        data="Virtual KITTI 1.3.1: 0001, 0018, 0020 to train, 0006 to validate, 0002 to test",
        published="VKITTI 0002: log1p RMSE .27115, RMSE 7.46425 m; KITTI val. .80617, 11.97442",
    ),
    Recipe(
        name="ds-net",
        source="paper 004 (DS-Net)",
        net="ds-net",
        preprocess=Preprocess(256, 160, channels="BGR"),
        target="metres",
        loss="log-rmse",
        semantic_weight=1.0,
        optimiser="adam",
        lr=1e-4,
        clip_norm=1.0,
        batch=32,
        epochs=40,
        init="encoder",
        max_depth_m=40.0,
        clamp=True,
        protocol="vkitti-scene0002",
        monitor="rmse_log1p",
        seed=123,
        data="Virtual KITTI 1.3.1: 0001, 0018, 0020 to train, 0006 to validate, 0002 to test",
        published="VKITTI 0002: log1p RMSE .23945, RMSE 6.50301 m; KITTI val. .76492, 11.64267",
    ),
    Recipe(
        name="depth-mancini-stressed",
        source="paper 004 (its third model: depth_mancini with a semantic mask in the loss)",
        net="depth-mancini",
        preprocess=Preprocess(256, 160, channels="BGR"),
        target="metres",
        loss="log-rmse",
        stressed=("traffic light", "traffic sign", "tree", "vegetation", "car", "van", "truck"),
        optimiser="adam",
        lr=1e-4,
        clip_norm=1.0,
        batch=32,
        epochs=40,
        init="encoder",
        max_depth_m=40.0,
        clamp=True,
        protocol="vkitti-scene0002",
        monitor="rmse_log1p",
        seed=123,
        data="Virtual KITTI 1.3.1: 0001, 0018, 0020 to train, 0006 to validate, 0002 to test",
        published="none of its own",
    ),
)

LOW = {"box": 0.05, "obj": 1.0, "cls": 0.5}, {"scale": 0.5, "mixup": 0.0}, 0.01
MED = {"box": 0.05, "obj": 0.7, "cls": 0.3}, {"scale": 0.9, "mixup": 0.1}, 0.1
HIGH = MED
"""YOLOv5's three sets of numbers: weights of the loss, augmentation, last learning rate. `high`
differs from `med` by copy-paste, which needs outlines of objects and is left out here."""


def _yolov5(
    size: str, numbers: tuple[dict[str, float], dict[str, float], float], published: str
) -> Recipe:
    weights, changes, lr_end = numbers
    return Recipe(
        name=f"yolov5{size}",
        source="YOLOv5 v6.0 to v7.0 (report 000 runs it)",
        task="detection",
        net="yolov5",
        net_options={"size": size},
        preprocess=Preprocess(640, 640, fit=Fit.LETTERBOX),
        loss="yolov5",
        loss_options=weights,
        augment="mosaic",
        augment_options=changes,
        optimiser="sgd",
        optimiser_options={"momentum": 0.937, "nesterov": True},
        lr=0.01,
        lr_end=lr_end,
        weight_decay=5e-4,
        decay="weights",
        schedule="linear",
        warmup_epochs=3,
        warmup_batches=100,
        warmup_bias_lr=0.1,
        warmup_momentum=0.8,
        clip_norm=10.0,
        batch=16,
        nominal_batch=64,
        epochs=300,
        ema=0.9999,
        monitor="fitness",
        data="COCO train2017, 118,287 pictures; val2017 to validate",
        published=f"COCO val2017, 640 pixels: AP {published.replace(' ', ', AP50 ')}",
        remarks="the rate falls with every step, not every epoch; no copy-paste",
    )


_DETECTORS = (
    _yolov5("n", LOW, ".280 .457"),
    _yolov5("s", LOW, ".374 .568"),
    _yolov5("m", HIGH, ".454 .641"),
    _yolov5("l", HIGH, ".490 .673"),
    _yolov5("x", HIGH, ".507 .689"),
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*_ALL, *_DETECTORS)}
"""Every recipe by its name."""


def find_recipe(name: str) -> Recipe:
    """The recipe of that name; raises `UsageError` with the known ones."""
    if name not in RECIPES:
        raise UsageError(f"recipe {name!r} is unknown; use one of {', '.join(RECIPES)}")
    return RECIPES[name]
