"""Does one network for boxes and depth beat two of the same total size?

    python benchmarks/sharing.py --pictures FOLDER --survey FILE

Random weights, the same views, batches, optimiser and number of steps for all; only what is learned
and the widths differ: `joint` learns both; `boxes` and `depth` are narrower, learn one each, and
together have as many parameters as `joint`. FOLDER: pictures; FILE: their survey, as `howfar
distill` leaves it in its run. Teachers: NanoDet-Plus-m for every cell's scores and boxes, FastDepth
for depth of indoor pictures in which it does not contradict itself. Both are asked about each view
once. Pictures of the test are never trained on.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from timing import SHARED  # sets HOWFAR_MODELS
from torch import Tensor

from howfar.data.scene import Scene
from howfar.distill.lesson import normalised, views_of
from howfar.distill.teachers import Teacher
from howfar.distill.views import STRIDE, make_view
from howfar.losses import matching
from howfar.media import read_image
from howfar.models.card import Task
from howfar.models.classes import COCO80
from howfar.models.store import find_model
from howfar.nets import joint as nets
from howfar.nets.nanodet import BINS

SIZE, BATCH, LR = 128, 16, 2e-3
WIDTHS = {
    "joint": nets.SIZES["n"],
    "boxes": ((44, 88, 176), 56, (8, 8, 8), False),
    "depth": ((40, 80, 160), 48, (26, 52, 78), False),
}
CONFIDENT = 0.4
COUNT = len(COCO80)


@dataclass(frozen=True, eq=False)
class Taught:
    """Views and what the teachers say of them."""

    images: Tensor
    rows: Tensor
    log_depth: Tensor
    valid: Tensor

    def __getitem__(self, picks: np.ndarray | slice) -> Taught:
        return Taught(*(part[picks].float() for part in vars(self).values()))


def taught(paths: list[Path], each: int, seed: int) -> Taught:
    """`each` views of every picture; the first is the whole picture."""
    boxes = Teacher(find_model("nanodet-plus-m"), Task.DETECT, SIZE)
    depth = Teacher(find_model("fastdepth"), Task.DEPTH)
    rng = np.random.default_rng(seed)
    parts: list[tuple[Tensor, ...]] = []
    for path in paths:
        scene = Scene(image=read_image(path).pixels)
        views = [make_view(scene, None, (), SIZE, rng, plain=i == 0).image for i in range(each)]
        images = normalised(np.stack(views))
        log_depth, valid = depth.log_depth(views_of(images), SIZE // STRIDE)
        rows = boxes(views_of(images))
        parts.append((images.half(), rows.half(), log_depth.half(), valid))
    return Taught(*(torch.cat(column) for column in zip(*parts, strict=True)))


def build(kind: str, seed: int) -> nets.Joint:
    """The network of a kind with random weights."""
    torch.manual_seed(seed)
    nets.SIZES[kind] = WIDTHS[kind]
    return nets.joint(kind)


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
        loss = loss + 0.25 * matching.distribution_matching(
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


def judge(kind: str, net: nets.Joint, test: Taught) -> dict[str, float]:
    """Agreement with the teachers on pictures that nobody learned from.

    `boxes`: of the cells whose best class the teacher gives more than `CONFIDENT`, the share in
    which the student's best class is the same. `score`: mean |difference| of that class's score
    there. `abs_rel`: of depth.
    """
    same, far, errors, cells = 0, 0.0, [], 0
    for first in range(0, len(test.images), BATCH):
        batch = test[slice(first, first + BATCH)]
        with torch.inference_mode():
            found = net(batch.images)
        sure, best = batch.rows[..., :COUNT].max(2)
        use = sure > CONFIDENT
        scores = found["detections"][..., :COUNT]
        same += int((scores.argmax(2) == best)[use].sum())
        far += float((scores.gather(2, best[..., None])[..., 0] - sure).abs()[use].sum())
        cells += int(use.sum())
        gap = (found["log_depth"] - batch.log_depth).exp() - 1
        errors += [float(g[v > 0].abs().mean()) for g, v in zip(gap, batch.valid, strict=True)]
    boxes = {"boxes": same / cells, "score": far / cells} if kind != "depth" else {}
    return boxes | ({"abs_rel": float(np.mean(errors))} if kind != "boxes" else {})


def ignorant(test: Taught) -> dict[str, float]:
    """What the commonest class of the confident cells and the median depth would reach."""
    sure, best = test.rows[..., :COUNT].float().max(2)
    counts = torch.bincount(best[sure > CONFIDENT])
    known, valid = test.log_depth.float(), test.valid > 0
    gaps = (known[valid].median() - known).exp() - 1
    errors = [float(g[v].abs().mean()) for g, v in zip(gaps, valid, strict=True)]
    return {"boxes": float(counts.max() / counts.sum()), "abs_rel": float(np.mean(errors))}


def main() -> None:
    """Train and measure all, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, default=SHARED / "train" / "coco256")
    parser.add_argument("--survey", type=Path, required=True)
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = json.loads(given.survey.read_text())["rows"]
    paths = sorted(p for p in given.pictures.iterdir() if p.suffix in (".webp", ".jpg", ".png"))
    chosen = [
        path
        for path, row in zip(paths, rows, strict=True)
        if row["kind"] == "indoor" and row["trust"] >= 0.2
    ]
    order = np.random.default_rng(0).permutation(len(chosen))
    test = taught([chosen[i] for i in order[:200]], 1, 1)
    data = taught([chosen[i] for i in order[200 : 200 + given.count]], 2, 2)
    print(
        f"{len(data.images)} views, {given.steps} steps of {BATCH}, {len(test.images)} for the test"
    )
    print("knowing nothing:", ignorant(test))
    results = []
    for seed in range(given.seeds):
        for kind in WIDTHS:
            start = time.monotonic()
            net = train(kind, seed, data, given.steps)
            scores = judge(kind, net, test)
            count = parameters(net, kind)
            results.append({"kind": kind, "seed": seed, "parameters": count, **scores})
            print(results[-1], f"{time.monotonic() - start:.0f} s", flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))
    for kind in WIDTHS:
        mine = [r for r in results if r["kind"] == kind]
        cells = [f"| {kind} | {mine[0]['parameters']:,}"]
        for name in ("boxes", "score", "abs_rel"):
            values = [r[name] for r in mine if name in r]
            text = f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if values else ""
            cells.append(text)
        print(" | ".join(cells) + " |")


if __name__ == "__main__":
    main()
