"""How many scenes of the synthetic world are rendered in a minute?

    python benchmarks/synthetic_rate.py --rounds 5

Rooms and streets in turn, with all of their truth, by one process in interleaved rounds of 40
scenes at two sizes.
"""

from __future__ import annotations

import argparse

from timing import interleaved, row

from howfar.data.synthetic.world import scenes

SCENES = 40
SIZES = ((320, 240), (160, 120))


def render(width: int, height: int) -> None:
    """Render `SCENES` scenes."""
    for _ in scenes(SCENES, 0, None, width, height):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    jobs = {
        f"{width}x{height}": (lambda width=width, height=height: render(width, height))
        for width, height in SIZES
    }
    times = interleaved(jobs, parser.parse_args().rounds, warm_up=1)
    print("| size | ms for 40 scenes, median | 10th - 90th percentile | scenes a minute |")
    print("|---|---|---|---|")
    for name, ms in times.items():
        rate = SCENES / ms * 60_000
        print(row(name, ms, f"{sorted(rate)[len(rate) // 2]:.0f}"))


if __name__ == "__main__":
    main()
