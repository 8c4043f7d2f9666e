"""The training loop: one network, one recipe, one folder.

`accelerate` places the network: one process on a CPU or GPU, or several processes and machines
under `accelerate launch` or `torchrun` with the same command. Everything random depends only on the
seed and the position (epoch, step), so a run that is killed and resumed ends with the same weights
as one that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from howfar.data.dataset import Dataset
from howfar.errors import OutputError, TrainingError, UsageError
from howfar.models.card import ModelCard
from howfar.nets.builders import build
from howfar.nets.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from howfar.nets.encoders import load_encoder
from howfar.train.average import Average
from howfar.train.feed import Batch, Feed
from howfar.train.log import Log
from howfar.train.objectives import objective
from howfar.train.precision import uses_bf16
from howfar.train.recipe import Recipe
from howfar.train.schedule import learning_rate
from howfar.train.targets import recipe_card
from howfar.train.validate import validate

LAST, BEST, RECIPE = "last.pt", "best.pt", "recipe.json"
LOG_EVERY = 10
"""Optimiser steps that one row of the log is about."""


@dataclass(frozen=True)
class Progress:
    """How far training is, for a progress bar.

    Attributes:
        step, steps: optimiser steps done, and in all.
        epoch: from 1.
        loss: mean of the last steps.
        images_per_s: of all processes.
        errors: of the last validation; {} before it.
    """

    step: int
    steps: int
    epoch: int
    loss: float
    images_per_s: float
    errors: dict[str, float]


@dataclass(frozen=True)
class Job:
    """What to run.

    Attributes:
        recipe: how to train.
        data: what to learn from.
        validation: what decides which weights are best; None keeps the last.
        folder: where the run writes.
        encoder: file of ImageNet weights for recipes with `init="encoder"`.
        resume: go on from `last.pt` where there is one; otherwise the folder must not hold a run.
        max_steps: stop after this many optimiser steps in all; the schedule stays that of the
            whole run.
        max_minutes: stop after this time; the run can be resumed.
        save_every: optimiser steps between checkpoints within an epoch; 0 only after each epoch.
        val_limit: pictures of each validation.
        workers: threads that prepare samples.
        cache_mb: memory for decoded pictures.
        cpu: stay on the CPU.
    """

    recipe: Recipe
    data: Dataset
    folder: Path
    validation: Dataset | None = None
    encoder: Path | None = None
    resume: bool = False
    max_steps: int | None = None
    max_minutes: float | None = None
    save_every: int = 0
    val_limit: int | None = None
    workers: int = 2
    cache_mb: float = 2048
    cpu: bool = False


@dataclass
class State:
    """Where training stands; what a checkpoint keeps beside tensors.

    Attributes:
        epoch, batch: next batch of the feed.
        step: optimiser steps done.
        best: lowest monitored error so far.
        waited: epochs since then.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float = math.inf
    waited: int = 0


Tick = Callable[[Progress], None]


def train(job: Job, tick: Tick | None = None) -> State:
    """Train by a recipe; returns where it ended.

    The folder gets `recipe.json`, `last.pt` (to resume), `best.pt` (to use), `steps.csv`,
    `epochs.csv` and `curves.png`. Ctrl-C writes `last.pt` before it is passed on.

    Raises `UsageError` for requests that cannot be, `TrainingError` where the loss is no number,
    and whatever reading a sample raises.
    """
    return Trainer(job, tick).run()


class Trainer:
    """One run. `train` is the way in; the parts are methods so that they can be read one by one."""

    def __init__(self, job: Job, tick: Tick | None = None) -> None:
        self.job, self.recipe, self.tick = job, job.recipe, tick
        self.accelerator = Accelerator(cpu=job.cpu)
        self.main = self.accelerator.is_main_process
        self.bf16 = uses_bf16(self.recipe.precision, self.accelerator.device)
        self.began = time.monotonic()
        self.state = State()
        self.errors: dict[str, float] = {}
        saved = self._saved()
        torch.manual_seed(self.recipe.seed)
        module = build(self.recipe.net, **self.recipe.net_options)
        if saved is None and self.recipe.init == "encoder" and job.encoder is not None:
            load_encoder(module, job.encoder)
        shapes = output_shapes(module, self.recipe)
        labels = shapes["semantics"][0] if "semantics" in shapes else 0
        self.classes = label_names(labels, job.data) if labels else ()
        self.card: ModelCard = recipe_card(self.recipe, self.classes)
        self.feed = Feed(
            job.data,
            self.recipe,
            shapes["depth"][1:],
            self.classes,
            self.accelerator.process_index,
            self.accelerator.num_processes,
            job.workers,
            job.cache_mb,
        )
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(module, self.recipe.ema) if self.recipe.ema else None
        self.loss = objective(self.recipe)
        self.model, self.optimiser = self.accelerator.prepare(
            module, make_optimiser(module, self.recipe)
        )
        self.steps_per_epoch = self.feed.batches_per_epoch // self.recipe.accumulate
        if not self.steps_per_epoch:
            raise UsageError(
                f"recipe {self.recipe.name}: accumulate is {self.recipe.accumulate}, but an epoch "
                f"has only {self.feed.batches_per_epoch} batches"
            )
        if saved is not None:
            self._restore(saved)
        self._open_folder()

    @property
    def module(self) -> nn.Module:
        """The bare network."""
        module: nn.Module = self.accelerator.unwrap_model(self.model)
        return module

    def run(self) -> State:
        """Train to the end."""
        try:
            while self.state.epoch < self.recipe.epochs and not self._stopped():
                self._epoch()
        except KeyboardInterrupt:
            self._save()
            raise
        self._save()
        return self.state

    def _epoch(self) -> None:
        """The rest of the present epoch, its validation and its checkpoint."""
        losses = Losses()
        for batches in self._groups():
            self._step(batches, losses)
            if self._stopped():
                break
            if self.job.save_every and self.state.step % self.job.save_every == 0:
                self._save()
        losses.flush(self)
        if self.state.batch >= self.steps_per_epoch * self.recipe.accumulate:
            self.state.epoch, self.state.batch = self.state.epoch + 1, 0
            self._judge(losses)
            self._save()

    def _groups(self) -> Iterator[tuple[list[Batch], float]]:
        """Batches of one optimiser step each, and the seconds that they were waited for."""
        feed = self.feed.epoch(self.state.epoch, self.state.batch)
        whole = self.steps_per_epoch * self.recipe.accumulate
        for _ in range(self.state.batch, whole, self.recipe.accumulate):
            began = time.perf_counter()
            group = [next(feed) for _ in range(self.recipe.accumulate)]
            yield group, time.perf_counter() - began

    def _step(self, group: tuple[list[Batch], float], losses: Losses) -> None:
        """One optimiser step."""
        batches, waited = group
        began = time.perf_counter()
        rate = learning_rate(self.recipe, self.state.step, self.steps_per_epoch)
        for parameters in self.optimiser.param_groups:
            parameters["lr"] = rate
        torch.manual_seed(self._step_seed())
        self.model.train()
        total = torch.zeros((), device=self.accelerator.device)
        for i, batch in enumerate(batches):
            total += self._backward(batch, last=i == len(batches) - 1)
        if self.recipe.clip_norm:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.module)
        self.state.step += 1
        self.state.batch += len(batches)
        images = sum(len(b.ids) for b in batches) * self.accelerator.num_processes
        loss = float(self.accelerator.reduce(total, "mean"))
        losses.add(self, loss, rate, images, waited, waited + time.perf_counter() - began)

    def _backward(self, batch: Batch, last: bool) -> Tensor:
        """Gradients of one batch; processes exchange them with the `last` of a step."""
        batch = batch.to(self.accelerator.device)
        if last:
            loss = self._forward(batch)
            self.accelerator.backward(loss)
        else:
            with self.accelerator.no_sync(self.model):
                loss = self._forward(batch)
                self.accelerator.backward(loss)
        return loss.detach()

    def _forward(self, batch: Batch) -> Tensor:
        with torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.bf16):
            outputs = self.model(batch.images)
        loss = self.loss(outputs, batch) / self.recipe.accumulate
        if not torch.isfinite(loss):
            state = self.state
            raise TrainingError(
                f"the loss is {loss.item()} at step {state.step} (epoch {state.epoch + 1}, samples "
                f"{', '.join(batch.ids)}); checkpoints of earlier steps are whole; try a lower lr "
                f"(now {self.optimiser.param_groups[0]['lr']:g}) or precision=fp32"
            )
        return loss

    def _step_seed(self) -> int:
        """Of dropout: another for each step and process."""
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        place: int = self.state.step * processes + rank
        return (self.recipe.seed * 1_000_003 + place) % 2**63

    def _judge(self, losses: Losses) -> None:
        """Validate the weights as they would be used, and keep them if they are the best."""
        weights = self._weights()
        if self.main and self.job.validation is not None:
            module = build(self.recipe.net, **self.recipe.net_options)
            module.load_state_dict(weights)
            module = module.to(self.accelerator.device)
            self.errors = validate(
                module, self.card, self.recipe, self.job.validation, self.job.val_limit
            )
        if self.main:
            self._keep_best(weights)
            row = {"step": self.state.step, "epoch": self.state.epoch, "loss": losses.epoch_mean()}
            self.log.epoch({**row, **self.errors})
        self._share_state()
        losses.tell(self)

    def _keep_best(self, weights: dict[str, Tensor]) -> None:
        error = self.errors.get(self.recipe.monitor)
        if self.job.validation is not None and error is None:
            known = ", ".join(self.errors)
            raise UsageError(
                f"monitor {self.recipe.monitor!r} was not measured; use one of {known}"
            )
        if error is None or error < self.state.best:
            self.state.best, self.state.waited = math.inf if error is None else error, 0
            save_checkpoint(self.job.folder / BEST, self._checkpoint(weights, {}))
        else:
            self.state.waited += 1

    def _share_state(self) -> None:
        """All processes stop together: they take over what the first one found."""
        if self.accelerator.num_processes > 1:
            found = torch.tensor([self.state.best, self.state.waited], dtype=torch.float64)
            found = found.to(self.accelerator.device)
            torch.distributed.broadcast(found, 0)
            self.state.best, self.state.waited = float(found[0]), int(found[1])

    def _stopped(self) -> bool:
        job, state = self.job, self.state
        late = False
        if job.max_minutes is not None:
            late = time.monotonic() - self.began > 60 * job.max_minutes
            if self.accelerator.num_processes > 1:
                flag = torch.tensor(int(late), device=self.accelerator.device)
                late = bool(self.accelerator.reduce(flag, "sum"))
        patient = not self.recipe.patience or state.waited < self.recipe.patience
        return late or not patient or (job.max_steps is not None and state.step >= job.max_steps)

    def _weights(self) -> dict[str, Tensor]:
        """What is evaluated and shipped: the average where there is one."""
        state = self.average.state if self.average else self.module.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def _checkpoint(self, weights: dict[str, Tensor], training: dict[str, Any]) -> Checkpoint:
        recipe = self.recipe
        return Checkpoint(
            recipe.net, recipe.net_options, self.card, weights, recipe.to_dict(), training
        )

    def _save(self) -> None:
        """Write `last.pt`."""
        if not self.main:
            return
        training = {
            "state": dict(vars(self.state)),
            "model": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average_steps": self.average.steps if self.average else 0,
            "errors": self.errors,
        }
        path = self.job.folder / LAST
        save_checkpoint(path, self._checkpoint(self._weights(), training))
        if self.job.validation is None or not (self.job.folder / BEST).is_file():
            save_checkpoint(self.job.folder / BEST, self._checkpoint(self._weights(), {}))

    def _saved(self) -> Checkpoint | None:
        """The checkpoint to resume from; checks that the folder is free otherwise."""
        path = self.job.folder / LAST
        if not path.exists():
            return None
        if not self.job.resume:
            raise UsageError(
                f"{self.job.folder} holds a run already; go on with --resume, or use another folder"
            )
        found = load_checkpoint(path)
        if found.recipe != self.recipe.to_dict():
            mine = self.recipe.to_dict()
            other = [n for n in mine if found.recipe.get(n) != mine[n]]
            raise UsageError(
                f"{path}: was trained with another {', '.join(other)}; resume with the same recipe "
                f"({self.job.folder / RECIPE}), or start in another folder"
            )
        return found

    def _restore(self, saved: Checkpoint) -> None:
        training = saved.training
        self.state = State(**training["state"])
        self.module.load_state_dict(training["model"])
        self.optimiser.load_state_dict(training["optimiser"])
        self.errors = dict(training["errors"])
        if self.average:
            self.average.load(saved.weights, training["average_steps"])

    def _open_folder(self) -> None:
        if not self.main:
            return
        folder = self.job.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.recipe.to_dict(), indent=2)
            (folder / RECIPE).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
        self.log = Log(folder, self.state.step)


class Losses:
    """Loss, speed and waiting of the steps since the last row of the log, and of the epoch."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, int, float, float]] = []
        self.rate = 0.0
        self.total, self.count = 0.0, 0

    def add(
        self, run: Trainer, loss: float, rate: float, images: int, waited: float, took: float
    ) -> None:
        """Note one step; every `LOG_EVERY` steps become a row."""
        self.rows.append((loss, images, waited, took))
        self.rate = rate
        self.total, self.count = self.total + loss, self.count + 1
        if run.state.step % LOG_EVERY == 0:
            self.flush(run)

    def flush(self, run: Trainer) -> None:
        """Write what is noted."""
        if not self.rows:
            return
        self.tell(run)
        loss, images, waited, took = self._means()
        if run.main:
            run.log.step(
                {
                    "step": run.state.step,
                    "epoch": run.state.epoch + 1,
                    "loss": f"{loss:.6g}",
                    "lr": f"{self.rate:.6g}",
                    "images_per_s": f"{images / took:.2f}",
                    "wait_share": f"{waited / took:.4f}",
                }
            )
        self.rows = []

    def tell(self, run: Trainer) -> None:
        """Tell the caller how far the run is."""
        if run.tick and run.main:
            loss, images, _, took = self._means()
            steps = run.steps_per_epoch * run.recipe.epochs
            steps = min(steps, run.job.max_steps or steps)
            speed = images / took if took else 0.0
            run.tick(Progress(run.state.step, steps, run.state.epoch + 1, loss, speed, run.errors))

    def epoch_mean(self) -> str:
        """Mean loss of the epoch's steps that this process has run."""
        return f"{self.total / self.count:.6g}" if self.count else ""

    def _means(self) -> tuple[float, float, float, float]:
        if not self.rows:
            return (self.total / self.count if self.count else math.nan), 0.0, 0.0, 0.0
        loss = sum(row[0] for row in self.rows) / len(self.rows)
        images, waited, took = (float(sum(row[i] for row in self.rows)) for i in (1, 2, 3))
        return loss, images, waited, took


def make_optimiser(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over all parameters that learn."""
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
        "sgd": torch.optim.SGD,
    }
    parameters = [p for p in module.parameters() if p.requires_grad]
    options = dict(recipe.optimiser_options)
    try:
        return kinds[recipe.optimiser](
            parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, **options
        )
    except (TypeError, ValueError) as error:
        raise UsageError(f"recipe {recipe.name}: optimiser_options {options}: {error}") from error


def output_shapes(module: nn.Module, recipe: Recipe) -> dict[str, tuple[int, int, int]]:
    """(channels, height, width) of what a network gives for the recipe's input."""
    training = module.training
    with torch.no_grad():
        size = recipe.preprocess.height, recipe.preprocess.width
        found = module.eval()(torch.zeros(1, 3, *size))
    module.train(training)
    return {name: (out.shape[1], out.shape[2], out.shape[3]) for name, out in found.items()}


def label_names(count: int, data: Dataset) -> tuple[str, ...]:
    """Names of `count` channels of labels: those of the data's first sample, then `unused N`."""
    labels = data[0].semantics
    names = labels.class_names if labels is not None else ()
    if not names:
        raise UsageError(f"{data.name}: has no label maps, which this network learns from as well")
    if len(names) > count:
        raise UsageError(
            f"{data.name}: has {len(names)} classes, the network tells {count} apart; give "
            f"--set net_options.classes={len(names)}"
        )
    return (*names, *(f"unused {i}" for i in range(len(names), count)))
