"""Makes the network that the package ships, and measures it.

    python benchmarks/howfar_s.py data             # unpack, split: out/data
    python benchmarks/howfar_s.py train            # the student; two more that lack cameras
    python benchmarks/howfar_s.py all_layers       # the package's howfar-s goes on, all layers
    python benchmarks/howfar_s.py mean A.pt B.pt   # of weights: out/howfar-s/best.pt, for finish
    python benchmarks/howfar_s.py focal            # what a focal length is worth for new cameras
    python benchmarks/howfar_s.py finish           # intervals, ONNX, its place in the package
    python benchmarks/howfar_s.py table            # accuracy on the evaluation pictures
    python benchmarks/howfar_s.py speed            # time against NanoDet-Plus + FastDepth

`train` runs `howfar distill` and goes on with what is there. `howfar_s_judges.py` tells by what the
weights are chosen. Nothing of `eval/` is used but by `table`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import SHARED, interleaved, row

DATA, RUNS = Path("out/data"), Path("out")
WEIGHTS = Path(__file__).parents[1] / "src" / "howfar" / "models" / "weights"
MODELS = Path(os.environ["HOWFAR_MODELS"])
NANODET = MODELS / "nanodet_plus_m_416.onnx"
ROAD_MIX = SHARED / "train" / "road-mix"
OFFICE = SHARED / "train" / "hololens-office"
TRAINED, HELD = range(250), range(255, 290)
"""Frames of the office; what lies between is too like both."""
EVERY = 6
"""Frames of the road validation are taken this far apart."""
SOME = 5
"""Frames of the office by which the student that never saw it is judged are this far apart."""
LONG_LENS = "CAMERA_01"
"""Of `road-mix`; the other cameras have wide lenses."""

COMMON: dict[str, Any] = {
    f"pictures:{DATA}/coco256": {"indoor": 0.22, "road": 0.20, "other": 0.08},
    "synthetic:street?count=500&seed=20000000&size=320x240": 0.08,
    "synthetic:indoor?count=300&seed=21000000&size=320x240": 0.04,
}
OWN = {f"rgbd:{DATA}/office-train": 0.18, f"rgbd:{ROAD_MIX}?unit=kitti": 0.20}
LONG, WIDE = f"rgbd:{DATA}/road-long?unit=kitti", f"rgbd:{DATA}/road-wide?unit=kitti"
JUDGES = {"road": f"rgbd:{DATA}/drive-val?unit=kitti", "office": f"rgbd:{DATA}/office-held"}
HELD_BACK = {"office": f"rgbd:{DATA}/office-held"}
"""Held back from training: the intervals are calibrated on them. No rendered pictures: those are
easier, and with two groups of them the intervals of three real ones held 72 to 76 % of 80."""
LEFT_OUT: dict[str, tuple[dict[str, float], dict[str, str]]] = {
    "loco-1": ({WIDE: 0.20}, {"office": f"rgbd:{DATA}/office-some", "long lens": LONG}),
    "loco-2": ({f"rgbd:{DATA}/office-train": 0.18, LONG: 0.20}, {"wide lenses": WIDE}),
}
"""Students that never saw some cameras: what they learn from besides, and those cameras."""


def data() -> None:
    """Unpack the pictures and split the videos by stretches."""
    target = DATA / "coco256"
    target.mkdir(parents=True, exist_ok=True)
    for shard in sorted((SHARED / "train" / "coco256").glob("shard-*.tar")):
        with tarfile.open(shard) as file:
            file.extractall(target, filter="data")
    office = sorted(path.stem for path in (OFFICE / "rgb").iterdir())
    subset(OFFICE, "office-train", office[TRAINED.start : TRAINED.stop])
    subset(OFFICE, "office-some", office[::SOME])
    subset(OFFICE, "office-held", office[HELD.start : HELD.stop])
    drive = SHARED / "train" / "kitti-drive"
    subset(drive, "drive-val", sorted(p.stem for p in (drive / "rgb").iterdir())[::EVERY])
    names = sorted(path.stem for path in (ROAD_MIX / "rgb").iterdir())
    subset(ROAD_MIX, "road-long", [name for name in names if LONG_LENS in name])
    subset(ROAD_MIX, "road-wide", [name for name in names if LONG_LENS not in name])


def subset(source: Path, name: str, frames: list[str]) -> None:
    """A copy of some frames of an `rgbd` folder."""
    cameras = json.loads((source / "cameras.json").read_text())
    for kind in ("rgb", "depth"):
        (DATA / name / kind).mkdir(parents=True, exist_ok=True)
        for path in (source / kind).iterdir():
            if path.stem in frames:
                shutil.copy(path, DATA / name / kind / path.name)
    some = {key: value for key, value in cameras.items() if key in frames} or cameras
    (DATA / name / "cameras.json").write_text(json.dumps(some))


def sources(own: dict[str, float], common: dict[str, Any] = COMMON) -> list[str]:
    """`--data` options of the common sources and some more."""
    options = []
    for address, share in (common | own).items():
        kinds = share.items() if isinstance(share, dict) else [("", share)]
        for kind, part in kinds:
            options += ["--data", f"{address}@{part}" + (f"@{kind}" if kind else "")]
    return options


def distill(
    name: str, own: dict[str, float], *options: str, pictures: dict[str, Any] = COMMON
) -> None:
    """One run of `howfar distill`; goes on with what is there."""
    run(
        "distill", *sources(own, pictures), "--out", str(RUNS / name), "--cpu", "--resume", *options
    )


def run(*arguments: str) -> str:
    """Output of `howfar ARGUMENTS`, which also goes to the terminal's error stream."""
    command = [str(Path(sys.executable).with_name("howfar")), *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


STUDENT = "howfar-s"
STEPS: tuple[str, ...] = (
    *("--start", str(NANODET), "--start-depth", "fastdepth"),
    *("--freeze-detector", "--freeze-grafted", "--remember", "--imgsz", "288"),
    *("--focal-exponent", "0.5"),
)


def train() -> None:
    """The student, and two that lack cameras."""
    judges = [part for item in JUDGES.items() for part in ("--val", "=".join(item))]
    distill(STUDENT, OWN, *judges, *STEPS, "--views", "13000", "--epochs", "11")
    for name, (own, _) in LEFT_OUT.items():
        distill(name, own, *STEPS, "--views", "2000", "--epochs", "8")


PARTS: dict[str, tuple[dict[str, Any], dict[str, float], tuple[str, ...]]] = {
    "howfar-s-all": (
        {
            f"pictures:{DATA}/coco256": {"indoor": 0.24, "road": 0.20, "other": 0.14},
            "synthetic:street?count=500&seed=20000000&size=320x240": 0.07,
            "synthetic:indoor?count=300&seed=21000000&size=320x240": 0.04,
        },
        {f"rgbd:{DATA}/office-train": 0.14, f"rgbd:{ROAD_MIX}?unit=kitti": 0.17},
        ("--start", "howfar-s", "--epochs", "7", "--set", "lr=3e-4"),
    ),
    "howfar-s-office": (
        {
            f"pictures:{DATA}/coco256": {"indoor": 0.22, "road": 0.18, "other": 0.10},
            "synthetic:street?count=500&seed=20000000&size=320x240": 0.05,
            "synthetic:indoor?count=300&seed=21000000&size=320x240": 0.03,
        },
        {f"rgbd:{DATA}/office-train": 0.26, f"rgbd:{ROAD_MIX}?unit=kitti": 0.16},
        (
            *("--start", str(RUNS / "howfar-s-all" / "best.pt"), "--epochs", "2"),
            *("--set", "lr=1.5e-4", "--set", "warmup_batches=50", "--set", "ema=0.998"),
        ),
    ),
}
"""Two parts in which everything learns: what from, and options. What is in the package was made by
two processes with batches of 8 each, averaged after each part with what the first started from,
and taught for 4,800 views more by sizes that weigh five times as much (MODEL_CARD.md)."""


def all_layers() -> None:
    """The network of the package goes on learning with all layers."""
    judges = [part for item in JUDGES.items() for part in ("--val", "=".join(item))]
    slow = 'slow=["encoder.","pyramid.","head.","depth.rooms."]'
    common = (*judges, "--freeze-wide", "--views", "6000", "--set", slow)
    for name, (pictures, own, options) in PARTS.items():
        distill(name, own, *options, *common, pictures=pictures)


def mean(*files: str) -> None:
    """Make the mean of the weights of checkpoints the student's best.pt."""
    from howfar.nets.checkpoint import load_checkpoint, save_checkpoint

    checkpoints = [load_checkpoint(Path(file)) for file in files]
    first = checkpoints[0]
    weights = dict(first.weights)
    for name, value in weights.items():
        if value.is_floating_point():  # others count batches
            weights[name] = torch.stack([c.weights[name] for c in checkpoints]).mean(0)
    (RUNS / STUDENT).mkdir(parents=True, exist_ok=True)
    save_checkpoint(RUNS / STUDENT / "best.pt", replace(first, weights=weights, training={}))


def focal() -> None:
    """AbsRel by the power of the focal length that scales depth, on cameras that students never
    saw, and on the office that the student of the package saw (held-back stretch). The power by
    which they were taught was chosen by the same table of students that were taught by 1."""
    from howfar.core.resize import resize
    from howfar.data.address import open_dataset
    from howfar.distill.finish import student_of
    from howfar.distill.lesson import normalised
    from howfar.nets.checkpoint import load_checkpoint
    from howfar.nets.joint import CANONICAL_FOCAL

    cases = [(STUDENT, "office, seen", HELD_BACK["office"])]
    cases += [
        (n, f"{c}, never seen", a) for n, (_, some) in LEFT_OUT.items() for c, a in some.items()
    ]
    powers = (1.0, 0.7, 0.6, 0.5, 0.4, 0.3)
    print("| camera | focal length | " + " | ".join(map(str, powers)) + " |")
    for name, camera, address in cases:
        checkpoint = load_checkpoint(RUNS / name / "best.pt")
        student, size = student_of(checkpoint).eval(), checkpoint.card.preprocess.width
        errors, ratios = [], []
        for sample in open_dataset(address):
            picture, truth = sample.image, sample.depth
            if truth is None or sample.camera is None:
                raise ValueError(address)
            view = resize(picture.pixels, size, size, "area")
            with torch.inference_mode():
                log_depth = student(normalised(view[None]))["log_depth"][0, 0].numpy()
            height, width = truth.values.shape
            told = np.exp(resize(log_depth, width, height))
            ratio = sample.camera.fx / (CANONICAL_FOCAL * picture.width)
            known = np.isfinite(truth.values) & (truth.values > 0) & (truth.values < 80)
            wrong = [np.abs(told * ratio**p / truth.values - 1)[known].mean() for p in powers]
            errors.append(wrong)
            ratios.append(ratio)
        cells = " | ".join(f"{e:.3f}" for e in np.mean(errors, 0))
        print(f"| {camera} | x {np.mean(ratios):.2f} | {cells} |", flush=True)


def finish() -> None:
    """Intervals and what is usual, then ONNX with the card inside, into the package.

    Blocks of the student on `HELD_BACK` and of the students that lack cameras on those cameras
    weigh the same: the intervals are for pictures of cameras that were seen and of others.
    """
    from howfar.data.address import open_dataset
    from howfar.distill.conformal import conformal_factors, held, measure_blocks
    from howfar.distill.finish import LEVEL, student_of
    from howfar.distill.finish import finish as finished
    from howfar.distill.job import DistillJob, parse_pictures
    from howfar.distill.mixture import Mixture
    from howfar.distill.run import sources as opened
    from howfar.export import export_checkpoint
    from howfar.models.store import file_sha256, find_model
    from howfar.nets.checkpoint import load_checkpoint, save_checkpoint

    chosen = load_checkpoint(RUNS / STUDENT / "best.pt")
    size = chosen.card.preprocess.width
    student = student_of(chosen)
    groups = {
        name: measure_blocks(student, open_dataset(address), size, chosen.card.focal_exponent)
        for name, address in HELD_BACK.items()
    }
    for name, (_, cameras) in LEFT_OUT.items():
        other = load_checkpoint(RUNS / name / "best.pt")
        side = other.card.preprocess.width
        for camera, address in cameras.items():
            data_of = open_dataset(address)
            groups[f"{camera}, never seen"] = measure_blocks(
                student_of(other), data_of, side, other.card.focal_exponent
            )
    options = sources(OWN)[1::2]
    job = DistillJob([parse_pictures(text) for text in options], RUNS / STUDENT)
    models = {name: find_model(name) for name in (*job.detectors, *job.depths)}
    mixture = Mixture(opened(job, models, None), 6000)
    done = finished(chosen, mixture, list(groups.values()))
    for name, blocks in groups.items():
        inside = held(blocks, done.card.interval_scales, done.card.interval_factors)
        own = held(blocks, *conformal_factors(blocks, LEVEL))
        print(f"{name}: {len(blocks.error)} blocks, {inside:.1%} inside (own factors {own:.1%})")
    card = replace(
        done.card,
        domain="rooms and roads by daylight",
        origin="howfar distill; starts as NanoDet-Plus-m",
    )
    done = replace(done, card=card)
    final = RUNS / STUDENT / "final.pt"
    save_checkpoint(final, done)
    WEIGHTS.mkdir(exist_ok=True)
    pictures = [mixture[i].image for i in range(0, 6000, 300)]
    target = WEIGHTS / "howfar-s.onnx"
    print(export_checkpoint(final, target, "fp16-weights", pictures))
    print(file_sha256(target))
    print(card.interval_scales, card.interval_factors)


EVAL = SHARED / "eval"
DOMAINS = {
    "rooms (NYU, SUN)": f"rgbd:{EVAL}/indoor-mix",
    "office (HoloLens)": f"rgbd:{EVAL}/hololens-office",
    "road (KITTI)": f"kitti-object:{EVAL}/kitti-object",
}
KITTI = DOMAINS["road (KITTI)"]


def val(task: str, data: str, *options: str) -> dict[str, Any]:
    """The record of one `howfar val`."""
    record: dict[str, Any] = json.loads(run("val", task, "--data", data, "--json", *options))
    return record


def table() -> None:
    """Accuracy on the evaluation pictures, beside what it starts from and learns from."""
    coco = f"coco:{EVAL}/coco-val127"
    for name in ("howfar-s", "nanodet-plus-m"):
        scores = val("detection", coco, "--detector", name)["scores"]
        print(f"AP50 {scores['AP50']:.3f} AP {scores['AP']:.3f} {name}", flush=True)
    others = {"rooms (NYU, SUN)": "fastdepth", "office (HoloLens)": "fastdepth"}
    for domain, address in DOMAINS.items():
        for name in ("howfar-s", others.get(domain)):
            if name is None:
                continue
            record = val("depth", address, "--model", name)
            scores = record["scores"]
            aligned = val("depth", address, "--model", name, "--align", "median")["scores"]
            print(
                f"{domain}, {name}: AbsRel {scores['abs_rel']:.3f} RMSE {scores['rmse']:.2f} m "
                f"delta1 {scores['delta1']:.3f}; aligned by the median {aligned['abs_rel']:.3f}; "
                f"bias {scores['bias']:+.2f} m",
                flush=True,
            )
            if "intervals" in record["tables"]:
                print("   ", record["tables"]["intervals"]["blocks"], flush=True)
    for depth in ("howfar-s", "truth"):
        for boxes in ("detector", "truth"):
            who = ("--boxes", "truth") if boxes == "truth" else ("--detector", "howfar-s")
            scores = val("objects", KITTI, "--depth", depth, *who)["scores"]
            print(f"objects, depth {depth}, boxes {boxes}: {scores}", flush=True)
    spread()
    print("zoom:", *(f"{k} {v}" for k, v in zoom().items()))


def spread() -> None:
    """AbsRel by camera: mean and standard deviation over pictures, least and largest."""
    import howfar
    from howfar.data.address import open_dataset
    from howfar.evaluate.depth import DepthJudge, depth_protocol
    from howfar.evaluate.frames import walk
    from howfar.evaluate.systems import System
    from howfar.evaluate.variants import Variant
    from howfar.options import Options

    ranger = howfar.load(detector=None, depth="howfar-s", threads=1)
    for domain, address in DOMAINS.items():
        judge = DepthJudge(
            System(Variant("howfar-s"), ranger, Options()), depth_protocol("rgbd", "rgbd")
        )
        walk(open_dataset(address), [judge], None)
        cameras: dict[str, list[float]] = {}
        for frame, _, errors in judge.frames:
            name = frame.split("_")[0] if "_" in frame else domain
            cameras.setdefault(name, []).append(errors["abs_rel"])
        for name, values in cameras.items():
            of = np.array(values)
            wide = of.std(ddof=1) if len(of) > 1 else 0
            print(
                f"{name}: {len(of)} pictures, AbsRel {of.mean():.3f} +- {wide:.3f}, "
                f"{of.min():.3f} to {of.max():.3f}",
                flush=True,
            )


def zoom(factor: float = 1.5) -> dict[str, float]:
    """Median change of the depth of objects, where the middle of a picture is cut out and enlarged
    by `factor`, the focal length told: it should not change."""
    import cv2

    import howfar
    from howfar.core.boxes import iou_matrix
    from howfar.io.sources import expand

    ranger = howfar.load("howfar-s", "howfar-s", threads=1)
    folders = ("coco-val127/images", "hololens-office/rgb", "indoor-mix/rgb")
    paths = expand([str(EVAL / f) for f in (*folders, "kitti-object/training/image_2")])
    changes = []
    for item in paths:
        picture = item.load()
        h, w = picture.height, picture.width
        x, y = (int(side * (1 - 1 / factor) / 2) for side in (w, h))
        cut = np.ascontiguousarray(picture.pixels[y : h - y, x : w - x])
        near = ranger(cv2.resize(cut, (w, h)), focal_px=0.81 * w * w / (w - 2 * x))
        far = ranger(picture.pixels, focal_px=0.81 * w)
        boxes = np.array([thing.box for thing in near.objects], np.float32).reshape(-1, 4)
        boxes = boxes * np.tile([(w - 2 * x) / w, (h - 2 * y) / h], 2) + np.array([x, y, x, y])
        overlap = iou_matrix(boxes, np.array([t.box for t in far.objects]).reshape(-1, 4))
        for i, thing in enumerate(near.objects):
            j = int(overlap[i].argmax()) if far.objects else -1
            same = j >= 0 and overlap[i, j] > 0.7 and far.objects[j].label == thing.label
            if same and thing.distance_m and far.objects[j].distance_m:
                changes.append(thing.distance_m / far.objects[j].distance_m)
    gap = np.abs(np.log(changes))
    return {
        "objects": len(gap),
        "median_change": float(np.expm1(np.median(gap))),
        "median_ratio": float(np.median(changes)),
    }


def speed() -> None:
    """One pass against two networks: bare sessions on one thread, and side by side on two cores."""
    from concurrent.futures import ThreadPoolExecutor

    from howfar.loading import load_network
    from howfar.models.card import Task
    from howfar.models.store import find_model

    wanted = {"howfar-s": Task.JOINT, "nanodet-plus-m": Task.DETECT, "fastdepth": Task.DEPTH}
    jobs = {}
    for name, task in wanted.items():
        network = load_network(find_model(name), task, "onnx", threads=1)
        pre = network.card.preprocess
        noise = np.random.default_rng(0).random((1, 3, pre.height, pre.width), np.float32)
        feeds = {network.runtime.inputs[0].name: noise}
        jobs[name] = lambda network=network, feeds=feeds: network.runtime.run(feeds)
    both = load_network(find_model("howfar-s"), Task.JOINT, "onnx", threads=2).runtime
    noise = np.random.default_rng(0).random((1, 3, 288, 288), np.float32)
    pool = ThreadPoolExecutor(2)
    pair = ("nanodet-plus-m", "fastdepth")
    jobs["howfar-s on two cores"] = lambda: both.run({both.inputs[0].name: noise})
    jobs["pair side by side"] = lambda: [f.result() for f in [pool.submit(jobs[n]) for n in pair]]
    times = interleaved(jobs, rounds=60, warm_up=5)
    print("| one picture | median ms | 10 - 90 % |\n|---|---|---|")
    for name, ms in times.items():
        print(row(name, ms))
    joint = times["howfar-s"] / (times["nanodet-plus-m"] + times["fastdepth"])
    sides = times["howfar-s on two cores"] / times["pair side by side"]
    for name, ratio in (("one thread each", joint), ("two cores", sides)):
        low, middle, high = np.percentile(ratio, [10, 50, 90])
        print(f"howfar-s / the pair, {name}: {middle:.2f} ({low:.2f} - {high:.2f})")


def main() -> None:
    """Run one of the steps."""
    steps = {f.__name__: f for f in (data, train, all_layers, mean, focal, finish, table, speed)}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=steps)
    parser.add_argument("files", nargs="*", help="checkpoints, for mean")
    given = parser.parse_args()
    steps[given.step](*given.files)


if __name__ == "__main__":
    main()
