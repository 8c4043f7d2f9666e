"""Does one network for boxes and depth beat two of the same total size?

    python benchmarks/sharing.py --seeds 0 1 2 --json sharing.json   # trains: nine runs
    python benchmarks/sharing.py --table sharing.json                # what docs/sharing.md shows

Random weights, the same rendered rooms and streets, views, batches, optimiser and number of steps
for all; only what is learned and the widths differ: `joint` learns both; `boxes` and `depth` are
narrower, learn one each, and together have as many parameters as `joint`. True boxes and depth
teach, so that no teacher's habits favour either. The scenes of the test are others.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from howfar.data import augment
from howfar.data.address import open_dataset
from howfar.data.geometry import crop, resize_scene
from howfar.data.scene import Scene
from howfar.data.synthetic.classes import LABELS
from howfar.distill.lesson import joint_card, normalised
from howfar.distill.run import RECIPE
from howfar.distill.views import STRIDE, canonical
from howfar.losses import matching
from howfar.nets import joint as nets
from howfar.nets.nanodet import BINS, STRIDES
from howfar.train.detection import validate_detector
from howfar.train.validate import validate

SIZE, BATCH, LR = 96, 16, 2e-3
WIDTHS = {
    "joint": ((40, 80, 160), 48, (24, 48, 72), False),
    "boxes": ((36, 72, 144), 44, (8, 8, 8), False),
    "depth": ((28, 56, 112), 36, (20, 40, 60), False),
}
WORLD = "synthetic:mixed?size=160x120"
TRAINING, TEST = "count=1200&seed=31000000", "count=240&seed=32000000"
VIEWS = 4
"""Of each scene; the first is the whole picture."""
NEAREST, REACH = 4.0, 1.5
"""A box is learned by the cells of the finest level on which no side is farther from its middle
than `NEAREST` steps, and by those within `REACH` steps of its middle."""
COUNT = len(LABELS)


@dataclass(frozen=True, eq=False)
class Taught:
    """Views and their truth: rows as `howfar.nets.nanodet` gives them."""

    images: Tensor
    rows: Tensor
    log_depth: Tensor
    valid: Tensor

    def __getitem__(self, picks: np.ndarray) -> Taught:
        return Taught(*(part[picks].float() for part in vars(self).values()))


def views() -> Taught:
    """The training views."""
    rng = np.random.default_rng(0)
    parts: list[list[np.ndarray]] = []
    for sample in open_dataset(f"{WORLD}&{TRAINING}"):
        whole = Scene.from_sample(sample, LABELS)
        for number in range(VIEWS):
            scene = whole if number == 0 else varied(whole, rng)
            scene = resize_scene(scene, SIZE, SIZE)
            log_depth, valid = canonical(scene, SIZE // STRIDE)
            parts.append([scene.image, rows_of(scene), log_depth[None], valid[None]])
    images, rows, log_depth, valid = (np.stack(column) for column in zip(*parts, strict=True))
    return Taught(
        normalised(images).half(),
        torch.from_numpy(rows).half(),
        *(torch.from_numpy(part) for part in (log_depth, valid)),
    )


def varied(scene: Scene, rng: np.random.Generator) -> Scene:
    """A part of a scene, perhaps mirrored, in other colours."""
    scene = augment.random_flip(scene, rng)
    share = rng.uniform(0.6, 1)
    wide, high = int(scene.width * share), int(scene.height * share)
    x, y = rng.integers(scene.width - wide + 1), rng.integers(scene.height - high + 1)
    return augment.random_colors(crop(scene, int(x), int(y), wide, high), rng)


def rows_of(scene: Scene) -> np.ndarray:
    """(P, COUNT + 4 BINS) true scores and, as logits, distributions of the sides' distances."""
    cells, steps = [], []
    for stride in STRIDES:
        side = -(-SIZE // stride)
        y, x = np.mgrid[:side, :side] * stride
        cells.append(np.column_stack([x.ravel(), y.ravel()]))
        steps.append(np.full(side * side, stride))
    at, step = np.concatenate(cells).astype(np.float32), np.concatenate(steps)
    rows = np.zeros((len(at), COUNT + 4 * BINS), np.float32)
    areas = (scene.boxes[:, 2:] - scene.boxes[:, :2]).prod(1)
    for number in np.argsort(-areas):  # small boxes win
        box = scene.boxes[number]
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() / 2
        fitting = [stride for stride in STRIDES if half <= NEAREST * stride]
        stride = fitting[0] if fitting else STRIDES[-1]
        near = np.abs(at - middle).max(1) <= REACH * stride
        inside = ((at >= box[:2]) & (at < box[2:])).all(1)
        mine = near & (step == stride) & inside
        if not mine.any():  # between cells: the nearest
            far = np.where(step == stride, np.abs(at - middle).max(1), np.inf)
            mine = far == far.min()
        rows[mine] = 0
        rows[mine, scene.labels[number]] = 1
        sides = np.concatenate([at[mine] - box[:2], box[2:] - at[mine]], 1) / stride
        rows[mine, COUNT:] = two_hot(sides.clip(0, BINS - 1.001)).reshape(mine.sum(), -1)
    return rows


def two_hot(values: np.ndarray) -> np.ndarray:
    """(N, 4) places among the bins to (N, 4, BINS) logits of a distribution with that mean."""
    low = np.floor(values).astype(int)
    share = values - low
    found = np.full((*values.shape, BINS), 1e-4, np.float32)
    np.put_along_axis(found, low[..., None], (1 - share)[..., None] + 1e-4, 2)
    np.put_along_axis(found, low[..., None] + 1, share[..., None] + 1e-4, 2)
    return np.log(found)


def build(kind: str, seed: int) -> nets.Joint:
    """The network of a kind with random weights."""
    torch.manual_seed(seed)
    nets.SIZES[kind] = WIDTHS[kind]
    return nets.joint(kind, classes=COUNT)


def parameters(net: nets.Joint, kind: str) -> int:
    """Of the parts that a kind uses."""
    parts = [net.encoder, net.pyramid]
    parts += [net.head] if kind != "depth" else []
    parts += [net.depth] if kind != "boxes" else []
    return sum(p.numel() for part in parts for p in part.parameters())


def loss_of(kind: str, found: dict[str, Tensor], truth: Taught) -> Tensor:
    """What a kind learns."""
    loss = torch.zeros(())
    if kind != "depth":
        rows, scores = found["detections"], truth.rows[..., :COUNT]
        loss = loss + matching.score_matching(rows[..., :COUNT], scores)
        loss = loss + 0.5 * matching.distribution_matching(
            rows[..., COUNT:], truth.rows[..., COUNT:], scores.amax(2), BINS
        )
    if kind != "boxes":
        u, valid, one = found["log_depth"], truth.valid > 0, torch.ones(len(truth.images))
        loss = loss + matching.laplace_nll(u, found["log_error"], truth.log_depth, valid, one)
        loss = loss + 0.5 * matching.log_gradient(u, truth.log_depth, valid, one)
    return loss


def train(kind: str, seed: int, data: Taught, steps: int) -> nets.Joint:
    """A network after `steps` steps."""
    net = build(kind, seed).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(net.parameters(), LR, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, steps, pct_start=0.1)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        batch = data[rng.integers(len(data.images), size=BATCH)]
        images = batch.images.contiguous(memory_format=torch.channels_last)
        optimiser.zero_grad()
        loss_of(kind, net(images), batch).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        schedule.step()
    return net.eval()


def judge(kind: str, net: nets.Joint) -> dict[str, float]:
    """`AP50`, `AP` and `abs_rel` on scenes that nobody learned from, by `howfar val`'s means."""
    data = open_dataset(f"{WORLD}&{TEST}")
    card = replace(
        joint_card("sharing", replace(RECIPE.preprocess, width=SIZE, height=SIZE)), classes=LABELS
    )
    scores: dict[str, float] = {}
    if kind != "depth":
        found = validate_detector(net, card, "sharing", data)
        scores |= {name: found[name] for name in ("AP50", "AP")}
    if kind != "boxes":
        scores["abs_rel"] = validate(net, card, RECIPE, data)["abs_rel"]
    return scores


def ignorant(data: Taught) -> float:
    """AbsRel on the test of the median depth of the training views."""
    middle = float(data.log_depth[data.valid > 0].median().exp())
    errors = []
    for sample in open_dataset(f"{WORLD}&{TEST}"):
        scene = resize_scene(Scene.from_sample(sample, LABELS), SIZE, SIZE)
        log_depth, valid = canonical(scene, SIZE // STRIDE)
        errors.append(np.abs(middle / np.exp(log_depth[valid]) - 1).mean())
    return float(np.mean(errors))


def table(results: list[dict[str, Any]]) -> None:
    """Mean and standard deviation over seeds."""
    for kind in WIDTHS:
        mine = [r for r in results if r["kind"] == kind]
        if not mine:
            continue
        cells = [f"| {kind} | {mine[0]['parameters']:,} | {len(mine)}"]
        for name in ("AP50", "AP", "abs_rel"):
            values = [r[name] for r in mine if name in r]
            cells.append(
                f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "-"
            )
        print(" | ".join(cells) + " |")


def main() -> None:
    """Train and measure, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path, nargs="+")
    given = parser.parse_args()
    if given.table:
        table([row for path in given.table for row in json.loads(path.read_text())])
        return
    torch.set_num_threads(1)
    data = views()
    print(f"{len(data.images)} views, {given.steps} steps of {BATCH}")
    print(f"the median depth: AbsRel {ignorant(data):.3f}", flush=True)
    results: list[dict[str, Any]] = []
    for seed in given.seeds:
        for kind in WIDTHS:
            start = time.monotonic()
            net = train(kind, seed, data, given.steps)
            count = parameters(net, kind)
            results.append({"kind": kind, "seed": seed, "parameters": count, **judge(kind, net)})
            print(results[-1], f"{time.monotonic() - start:.0f} s", flush=True)
            if given.json:
                given.json.write_text(json.dumps(results, indent=1))
    if len(given.seeds) > 1:
        table(results)


if __name__ == "__main__":
    main()
