"""Why `depthnet` hardly learns from its published start: activations and gradients.

    python benchmarks/depthnet_start.py

For the published weights (normal, standard deviation .02) and for He's: the spread of each encoder
stage's activations over pictures, how much the depth maps of different pictures differ, and the
gradient that reaches the first convolution.
"""

from __future__ import annotations

import torch

from howfar.core.image import Image
from howfar.data.dataset import Dataset, Records
from howfar.data.sample import Sample
from howfar.data.synthetic.world import scenes
from howfar.nets.builders import build
from howfar.train.feed import Feed
from howfar.train.loop import output_shapes
from howfar.train.objectives import objective
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


def row(name: str, he: bool, data: Dataset) -> str:
    """One line of the table."""
    torch.manual_seed(0)
    recipe = overridden(RECIPES["depthnet"], ["batch=16"])
    module = build("depthnet", he_init=he)
    batch = next(Feed(data, recipe, output_shapes(module, recipe)["depth"][1:]).epoch(0))
    code = module.encoder(batch.images).detach()
    outputs = module(batch.images)
    objective(recipe)(outputs, batch).backward()
    depth = outputs["depth"].detach()
    gradient = next(p.grad for p in module.parameters() if p.dim() == 4)
    assert gradient is not None
    return (
        f"| {name} | {code.std(dim=0).mean():.2g} | {depth.std(dim=0).mean():.2g} "
        f"(mean depth {depth.mean():.2g}) | {gradient.norm():.2g} |"
    )


if __name__ == "__main__":
    main()
