"""What the sizes of people and vehicles add to howfar-s's distances (`howfar.core.fusion`).

    python benchmarks/size_fusion.py

On pictures that are no evaluation pictures, from `howfar_s.py data`: a drive that chooses weights,
cameras that students of `howfar_s.py` never saw (`loco-1`, `loco-2`, with the intervals of the
package's network) and rendered scenes. Only objects whose size has a say, found by the network
itself. Each cell: mean and median of |distance / truth - 1|, and the share of true distances inside
the 80 % interval; last the correlation of both readings' errors (logarithms). Run it where `out`
is, after `howfar_s.py data` and `train`.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
from howfar_s import JUDGES, LEFT_OUT, RUNS

from howfar.core.distance import log_errors, measure
from howfar.core.fusion import fuse
from howfar.core.scale import BOX_SPREAD
from howfar.core.sizes import SEEN_WHOLE, size_distances
from howfar.data.address import open_dataset
from howfar.evaluate.objects import oracle
from howfar.loading import load_network
from howfar.models.card import Task
from howfar.models.network import DetectOptions, Network
from howfar.models.store import find_model

FARTHEST = 80.0
"""Objects that are farther in truth do not count."""
RENDERED = {
    "rendered streets": "synthetic:street?count=150&seed=95000000&size=640x480",
    "rendered rooms": "synthetic:indoor?count=100&seed=96000000&size=640x480",
}
LEVEL, QUANTILE = 0.8, NormalDist().inv_cdf(0.9)
READINGS = ("network", "size", "both")


def cases() -> list[tuple[str, str, str]]:
    """Name, network and address of the pictures of each group."""
    found = [("a drive", "howfar-s", JUDGES["road"])]
    for student, (_, cameras) in LEFT_OUT.items():
        path = str(RUNS / student / "best.pt")
        found += [(f"{camera}, never seen", path, at) for camera, at in cameras.items()]
    return found + [(name, "howfar-s", address) for name, address in RENDERED.items()]


def calibrated(name: str) -> Network:
    """A network with the intervals of the package's."""
    network = load_network(find_model(name), Task.JOINT)
    ours = load_network(find_model("howfar-s"), Task.JOINT).card
    card = replace(
        network.card,
        interval_level=ours.interval_level,
        interval_scales=ours.interval_scales,
        interval_factors=ours.interval_factors,
    )
    return replace(network, card=card)


def readings(network: Network, address: str) -> dict[str, np.ndarray]:
    """(N, 2) of each reading: log of distance over truth, half-width of the interval."""
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in READINGS}
    for sample in open_dataset(address):
        truth = oracle(sample)
        if isinstance(truth, str) or sample.camera is None:
            raise ValueError(truth)
        found, depth = network.detect_and_estimate(sample.image, DetectOptions(), sample.camera)
        prior = size_distances(found.boxes, found.labels, sample.camera)
        values = measure(depth, found.boxes, prior=prior).values
        errors = log_errors(depth, found.boxes, values)
        both = fuse(values, errors, LEVEL, prior, found.boxes, found.labels)
        right = measure(truth, found.boxes).values
        for i in np.flatnonzero(both.sized & (right < FARTHEST)):
            wide = QUANTILE * float(np.hypot(prior.spread[i], BOX_SPREAD))
            told = ((values[i], errors[i]), (prior.depth[i], wide))
            told += ((both.depth[i], both.log_error[i]),)
            for name, (value, half) in zip(READINGS, told, strict=True):
                rows[name].append((float(np.log(value / right[i])), float(half)))
    return {name: np.array(of).reshape(-1, 2) for name, of in rows.items()}


def cell(rows: np.ndarray) -> str:
    """Mean, median, coverage."""
    errors = np.abs(np.expm1(rows[:, 0]))
    inside = np.mean(np.abs(rows[:, 0]) <= rows[:, 1])
    return f"{errors.mean():.3f}, {np.median(errors):.3f}, {inside:.2f}"


def main() -> None:
    """Print the table."""
    print(f"Classes: {', '.join(sorted(SEEN_WHOLE))}")
    print(
        f"| pictures | objects | {' | '.join(READINGS)} | correlation |\n|---|---|---|---|---|---|"
    )
    for name, model, address in cases():
        found = readings(calibrated(model), address)
        cells = " | ".join(cell(of) if len(of) else "-" for of in found.values())
        logs = [found[reading][:, 0] for reading in READINGS[:2]]
        alike = f"{np.corrcoef(*logs)[0, 1]:.2f}" if len(logs[0]) > 2 else "-"
        print(f"| {name} | {len(logs[0])} | {cells} | {alike} |", flush=True)


if __name__ == "__main__":
    main()
