"""Why `depthnet` gives the same map for every picture: activations and gradients.

    python benchmarks/depthnet_start.py [best.pt ...]

For the published weights (normal, standard deviation .02) and for He's: how much codes and maps of
different pictures differ, and the gradient that reaches the first convolution. Then the same of
trained checkpoints.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from howfar.core.image import Image
from howfar.data.dataset import Dataset, Records
from howfar.data.sample import Sample
from howfar.data.synthetic.world import scenes
from howfar.nets.builders import build
from howfar.nets.checkpoint import load_checkpoint
from howfar.train.depth import DepthTask
from howfar.train.feed import Feed
from howfar.train.recipe import overridden
from howfar.train.recipes import RECIPES


def main() -> None:
    found = [
        Sample(id=str(i), picture=Image(s.image), depth=s.depth)
        for i, s in enumerate(scenes(16, 5, "indoor", 160, 120))
    ]
    data = Records("rooms", tuple(range(16)), found.__getitem__)
    print("| start | code, spread over pictures | depth, spread over pictures | first gradient |")
    print("|---|---|---|---|")
    for name, he in (("published, N(0, .02)", False), ("He", True)):
        print(row(name, he, data))
    if len(sys.argv) > 1:
        print("\n| trained | code, over pictures | depth, over pictures | depth, over pixels |")
        print("|---|---|---|---|")
        for path in sys.argv[1:]:
            print(trained_row(Path(path), data))


def trained_row(path: Path, data: Dataset) -> str:
    """One line about a checkpoint."""
    module = load_checkpoint(path).module()
    recipe = overridden(RECIPES["depthnet"], ["batch=16"])
    batch = next(Feed(data, recipe, DepthTask(recipe, data, module)).epoch(0))
    with torch.no_grad():
        code, depth = module.encoder(batch.images), module(batch.images)["depth"]
    over = code.std(dim=0).mean(), depth.std(dim=0).mean(), depth.mean(dim=0).std()
    return f"| {path.parent.name} | " + " | ".join(f"{float(v):.2g}" for v in over) + " |"


def row(name: str, he: bool, data: Dataset) -> str:
    """One line of the table."""
    torch.manual_seed(0)
    recipe = overridden(RECIPES["depthnet"], ["batch=16"])
    module = build("depthnet", he_init=he)
    task = DepthTask(recipe, data, module)
    batch = next(Feed(data, recipe, task).epoch(0))
    code = module.encoder(batch.images).detach()
    outputs = module(batch.images)
    task.loss(module, outputs, batch).backward()
    depth = outputs["depth"].detach()
    gradient = next(p.grad for p in module.parameters() if p.dim() == 4)
    assert gradient is not None
    return (
        f"| {name} | {code.std(dim=0).mean():.2g} | {depth.std(dim=0).mean():.2g} "
        f"(mean depth {depth.mean():.2g}) | {gradient.norm():.2g} |"
    )


if __name__ == "__main__":
    main()
