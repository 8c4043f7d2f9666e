"""Views that are looked at once: training repeats what frozen layers and teachers said of them.

Where only the U of the depth branch learns, most of a step is spent on answers that would be the
same each time. They are computed once for each view, kept in a file of the run's folder, and read
from there: 1.2 MB a view at 288 pixels, and three to four times as many steps in the same time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from howfar.core.depth import BoolArray
from howfar.data.dataset import Dataset
from howfar.data.sample import Sample
from howfar.data.scene import Scene
from howfar.distill.lesson import Answers, Lesson, ViewBatch
from howfar.distill.survey import identity
from howfar.distill.views import STRIDE
from howfar.errors import OutputError, UsageError
from howfar.models.card import ModelCard
from howfar.nets.depth_branch import Features
from howfar.nets.joint import Joint
from howfar.train.task import Draw, Outputs

FILE, KEY = "views.npy", "views.json"
PRIORS = 16
"""Most size priors that are kept of a view."""
TOGETHER = 8
"""Views of which the frozen layers are asked at once."""
RULES = 3
"""Changes where views of the same pictures, or answers, come out otherwise than before."""
TURN = 100_003
"""Between the seeds of two views."""


class Remembered:
    """A task as `Lesson`, on views that do not change from epoch to epoch.

    Args:
        lesson: makes the views and judges the answers. It must not have a teacher of boxes or
            pixel labels: those are parts of the student that learn.
        student: whose detector and `Rooms` are frozen.
        folder: of the run; the file stays there, so that a run goes on with it.
        told: told how many of the views are done.

    Raises `UsageError` where the folder holds views of other data or of other frozen layers.
    """

    def __init__(
        self,
        lesson: Lesson,
        student: Joint,
        folder: Path,
        told: Callable[[int, int], None] | None = None,
    ) -> None:
        self.lesson = lesson
        count, size = len(lesson.data), lesson.recipe.preprocess.width
        with torch.no_grad():
            seen = self._seen(student.eval(), torch.zeros(1, 3, size, size))
        self._shapes = [_shape(part) for part in _flat(seen)]
        features = sum(int(np.prod(shape)) for shape in self._shapes)
        self._dtype = _row(features, size // STRIDE, len(lesson.relatives))
        path = folder / FILE
        rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        if rank == 0:
            if path.exists() and not (folder / KEY).exists():
                raise UsageError(f"{path}: {KEY}, which says of what, is missing; delete the file")
            _agree(folder / KEY, _key(lesson, student))
            if not path.exists():
                _room(folder, count * self._dtype.itemsize)
                new = np.lib.format.open_memmap(path, "w+", self._dtype, (count,))
                new.flush()
        _wait()
        self._rows = np.lib.format.open_memmap(path, mode="r+")
        left = np.flatnonzero(~self._rows["made"])[rank::world]
        for first in range(0, len(left), TOGETHER):
            self._make(student, left[first : first + TOGETHER])
            if told is not None and rank == 0:
                done = count - len(left) * world + (first + TOGETHER) * world
                told(min(done, count), count)
        self._rows.flush()
        _wait()

    @property
    def card(self) -> ModelCard:
        """The student's."""
        return self.lesson.card

    def scene(self, sample: Sample) -> Scene:
        """As of the lesson."""
        return self.lesson.scene(sample)

    def example(self, index: int, draw: Draw, rng: np.random.Generator) -> npt.NDArray[np.void]:
        """What is kept of a view."""
        del draw, rng
        row: npt.NDArray[np.void] = np.array(self._rows[index])
        return row

    def stack(self, ids: Sequence[str], examples: Sequence[npt.NDArray[np.void]]) -> ViewBatch:
        """A batch of views."""
        rows = np.stack(examples)
        priors = [
            np.column_stack([np.full(PRIORS, i), row])[: int(known)]
            for i, (row, known) in enumerate(zip(rows["priors"], rows["known_priors"], strict=True))
        ]
        none = torch.zeros(0, 3, 1, 1)
        return ViewBatch(
            self._features(rows["features"]),
            _map(rows["log_depth"]),
            _map(rows["valid"]),
            torch.from_numpy(np.concatenate(priors).astype(np.float32)),
            torch.from_numpy(rows["metric_weight"].copy()),
            torch.from_numpy(rows["metric_weight"] > 0),
            none,
            torch.zeros(0, 4),
            torch.zeros(0, 0),
            torch.from_numpy(rows["relative_weight"].copy()),
            None,
            tuple(ids),
            _answers(rows),
        )

    def loss(self, module: nn.Module, outputs: Outputs, batch: ViewBatch) -> Tensor:
        """As of the lesson."""
        return self.lesson.loss(module, outputs, batch)

    def validate(self, module: nn.Module, data: Dataset, limit: int | None) -> dict[str, float]:
        """As of the lesson."""
        return self.lesson.validate(module, data, limit)

    def _make(self, student: Joint, indices: npt.NDArray[np.intp]) -> None:
        """Look at some views."""
        lesson = self.lesson

        def draw(index: int) -> Scene:
            return lesson.scene(lesson.data[index])

        seed = lesson.recipe.seed * TURN
        numbers = indices.tolist()
        views = [lesson.example(i, draw, np.random.default_rng(seed + i)) for i in numbers]
        batch = lesson.stack([str(i) for i in numbers], views)
        answers = lesson.ask(batch)
        if not isinstance(batch.images, Tensor):
            raise TypeError("views are pictures")
        with torch.no_grad():
            parts = [part.half() for part in _flat(self._seen(student, batch.images))]
        metric, relative = (
            iter(range(int((weight > 0).sum()))) for weight in (batch.metric, batch.relative)
        )
        for place, (index, view) in enumerate(zip(numbers, views, strict=True)):
            row = self._rows[index]
            kept = [part[place].permute(1, 2, 0).flatten() for part in parts]
            row["features"] = torch.cat(kept).numpy()
            row["log_depth"], row["valid"] = view.log_depth, view.valid
            priors = view.priors[:PRIORS]
            row["priors"][: len(priors)], row["known_priors"] = priors, len(priors)
            row["metric_weight"] = float(batch.metric[place])
            row["relative_weight"] = float(batch.relative[place])
            if row["metric_weight"] > 0:
                if answers.metric is None or answers.metric_valid is None:
                    raise TypeError("a view is asked about that nobody knows")
                of = next(metric)
                row["metric"] = answers.metric[of, 0].numpy()
                row["metric_valid"] = answers.metric_valid[of, 0].numpy()
            if row["relative_weight"] > 0:
                if answers.relative is None:
                    raise TypeError("a view is asked about that nobody knows")
                of = next(relative)
                row["relative"] = np.stack([said[of, 0].numpy() for said in answers.relative])
            row["made"] = True

    def _seen(self, student: Joint, images: Tensor) -> Features:
        """What the frozen layers say."""
        seen = student.features(images)
        rooms = student.depth.rooms
        return seen if rooms is None else seen._replace(rooms=rooms(seen))

    def _features(self, flat: npt.NDArray[np.float16]) -> Features:
        """(B, F) as `Features`, channels last."""
        parts, first = [], 0
        whole = torch.from_numpy(flat.astype(np.float32))
        for height, width, channels in self._shapes:
            after = first + height * width * channels
            part = whole[:, first:after].reshape(-1, height, width, channels)
            parts.append(part.permute(0, 3, 1, 2))
            first = after
        rooms = parts[7] if len(parts) > 7 else None
        return Features(parts[0], tuple(parts[1:4]), tuple(parts[4:7]), rooms)


def _flat(seen: Features) -> list[Tensor]:
    """Stem, three levels of the encoder, three of the pyramid, and `Rooms` where there is one."""
    rooms = [] if seen.rooms is None else [seen.rooms]
    return [seen.stem, *seen.maps, *seen.pyramid, *rooms]


def _shape(part: Tensor) -> tuple[int, int, int]:
    _, channels, height, width = part.shape
    return height, width, channels


def _row(features: int, size: int, relatives: int) -> np.dtype[np.void]:
    """What is kept of a view, with the answers of so many relative teachers."""
    half, one = np.float16, np.float32
    whole = (size, size)
    fields: list[Any] = [
        *(("made", bool), ("features", half, (features,))),
        *(("log_depth", half, whole), ("valid", bool, whole)),
        *(("priors", one, (PRIORS, 7)), ("known_priors", np.int32)),
        *(("metric_weight", one), ("metric", half, whole), ("metric_valid", bool, whole)),
        *(("relative_weight", one), ("relative", one, (relatives, *whole))),
    ]
    return np.dtype(fields)


def _map(rows: npt.NDArray[np.float16] | BoolArray) -> Tensor:
    """(B, 1, S/4, S/4)."""
    found = torch.from_numpy(rows.copy())[:, None]
    return found if found.dtype is torch.bool else found.float()


def _answers(rows: npt.NDArray[np.void]) -> Answers:
    asked, road = rows["metric_weight"] > 0, rows["relative_weight"] > 0
    found = Answers()
    if asked.any():
        known = rows[asked]
        found = found._replace(
            metric=_map(known["metric"]), metric_valid=_map(known["metric_valid"])
        )
    if road.any():
        said = rows[road]["relative"].swapaxes(0, 1)
        found = found._replace(relative=tuple(_map(one) for one in said))
    return found


def _key(lesson: Lesson, student: Joint) -> dict[str, Any]:
    """What the views depend on."""
    weights = hashlib.sha256()
    frozen = [*student.detector, student.depth.rooms]
    for part in (part for part in frozen if part is not None):
        for value in part.state_dict().values():
            same = value.detach().cpu().contiguous() + 0  # of 0 and -0, which an average exchanges
            weights.update(same.numpy().tobytes())
    return {
        "rules": RULES,
        "data": [[s.data.name, len(s.data), s.share] for s in lesson.data.sources],
        "views": len(lesson.data),
        "size": lesson.recipe.preprocess.width,
        "seed": lesson.recipe.seed,
        "focal exponent": lesson.exponent,
        "frozen layers": weights.hexdigest(),
        "findings": _digest([s.findings for s in lesson.data.sources]),
        "teachers": [
            [identity(t.sha256, t.card) for t in some] for some in (lesson.depths, lesson.relatives)
        ],
    }


def _digest(findings: Any) -> str:
    return hashlib.sha256(repr(findings).encode()).hexdigest()


def _agree(path: Path, key: dict[str, Any]) -> None:
    """Write down what the views depend on, or see that it is what was written."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(key, indent=1))
        return
    before = json.loads(path.read_text())
    other = [name for name, value in key.items() if before.get(name) != value]
    if other:
        raise UsageError(
            f"{path.with_name(FILE)} holds views with other {', '.join(other)}; delete it and "
            f"{KEY}, or use another folder"
        )


def _room(folder: Path, wanted: int) -> None:
    """See that a file of `wanted` bytes has room."""
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise OutputError(
            f"{folder}: the views need {wanted / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; ask "
            "for fewer --views, or use another folder"
        )


def _wait() -> None:
    """For the other processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
