"""The training loop: one network, one recipe, one folder.

`accelerate` places the network: one process on a CPU or GPU, or several processes and machines
under `accelerate launch` or `torchrun` with the same command. Everything random depends only on the
seed and the position (epoch, step), so a run that is killed and resumed ends with the same weights
as one that was not.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from howfar.data.dataset import Dataset
from howfar.data.relabel import relabelled
from howfar.errors import OutputError, TrainingError, UsageError
from howfar.nets.builders import build
from howfar.nets.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from howfar.train.average import Average
from howfar.train.depth import DepthTask
from howfar.train.detection import DetectionTask, rescaled, resolved
from howfar.train.feed import Feed
from howfar.train.log import Log
from howfar.train.meter import Meter, Progress
from howfar.train.optimiser import make_optimiser, set_rates
from howfar.train.precision import uses_bf16
from howfar.train.recipe import SCORES, Recipe, from_dict
from howfar.train.schedule import Schedule
from howfar.train.start import Started, start_from
from howfar.train.task import Batch, Task

LAST, BEST, RECIPE = "last.pt", "best.pt", "recipe.json"
MULTIPLE = 32
"""Sides of inputs of several scales are a multiple of it, the stride of detectors."""


@dataclass(frozen=True)
class Job:
    """What to run.

    Attributes:
        recipe: how to train.
        data: what to learn from.
        validation: what decides which weights are best; None keeps the last.
        folder: where the run writes.
        encoder: file of ImageNet weights for recipes with `init="encoder"`.
        weights: file of weights to start from, see `howfar.train.start`.
        resume: go on from `last.pt` where there is one; otherwise the folder must not hold a run.
        max_steps: stop after this many optimiser steps in all; the schedule stays that of the
            whole run.
        max_minutes: stop after this time; the run can be resumed.
        save_every: optimiser steps between checkpoints within an epoch; 0 only after each epoch.
        val_limit: pictures of each validation.
        val_every: epochs between validations; the last epoch is always followed by one.
        workers: threads that prepare samples.
        cache_mb: memory for decoded pictures.
        cpu: stay on the CPU.
        prepare: makes the task and may change the fresh network before the optimiser sees it; None
            leaves that to the recipe.
    """

    recipe: Recipe
    data: Dataset
    folder: Path
    validation: Dataset | None = None
    encoder: Path | None = None
    weights: Path | None = None
    resume: bool = False
    max_steps: int | None = None
    max_minutes: float | None = None
    save_every: int = 0
    val_limit: int | None = None
    val_every: int = 1
    workers: int = 2
    cache_mb: float = 2048
    cpu: bool = False
    prepare: Callable[[nn.Module], Task] | None = None


@dataclass
class State:
    """Where training stands; what a checkpoint keeps beside tensors.

    Attributes:
        epoch, batch: next batch of the feed.
        step: optimiser steps done.
        best: lowest monitored error so far; of scores the lowest negative.
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
    `epochs.csv` and `curves.png`. Ctrl-C finishes the step and writes `last.pt` before it is passed
    on.

    Raises `UsageError` for requests that cannot be, `TrainingError` where the loss is no number,
    and whatever reading a sample raises.
    """
    return Trainer(job, tick).run()


class Trainer:
    """One run. `train` is the way in; the parts are methods so that they can be read one by one."""

    def __init__(self, job: Job, tick: Tick | None = None) -> None:
        self.job, self.tick = job, tick
        self.recipe = recipe = resolved(job.recipe, job.data)
        self.accelerator = Accelerator(cpu=job.cpu)
        atexit.register(leave)
        self.main = self.accelerator.is_main_process
        self.bf16 = uses_bf16(recipe.precision, self.accelerator.device)
        self.began = time.monotonic()
        self.state = State()
        self.errors: dict[str, float] = {}
        saved = self._saved()
        torch.manual_seed(recipe.seed)
        module = build(recipe.net, **recipe.net_options)
        self.started = Started()
        if saved is None:
            self.started = start_from(module, recipe, job.weights, job.encoder)
        data = trained_data(recipe, job.data)
        self.validation = job.validation and trained_data(recipe, job.validation)
        check_validation(recipe, job)
        self.task = job.prepare(module) if job.prepare else make_task(recipe, data, module)
        world = self.accelerator.num_processes
        rank = self.accelerator.process_index
        self.feed = Feed(data, recipe, self.task, rank, world, job.workers, job.cache_mb)
        self.schedule = Schedule(recipe, self.feed.batches_per_epoch, world)
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model, self.optimiser = self.accelerator.prepare(
            module, make_optimiser(module, recipe, world)
        )
        self.average = Average(self.module, recipe.ema) if recipe.ema else None
        self.interrupted = False
        if not self.schedule.groups(0):
            raise UsageError(
                f"recipe {recipe.name}: accumulate is {recipe.accumulate}, but an epoch "
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
        """Train to the end, or to the end of the step in which Ctrl-C is pressed."""
        with self._interruptible():
            while self.state.epoch < self.recipe.epochs and not self._stopped():
                self._epoch()
        self._save()
        if self.interrupted:
            raise KeyboardInterrupt
        return self.state

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C waits for the end of a step, so that what is saved is whole; a second one does
        not. One of several processes cannot stop alone, so they stop at once and save nothing."""
        alone = self.accelerator.num_processes == 1
        if not alone or threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(_number: int, _frame: object) -> None:
            self.interrupted = True
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _epoch(self) -> None:
        """The rest of the present epoch, its validation and its checkpoint."""
        meter = Meter()
        for batches, waited in self._groups():
            self._step(batches, waited, meter)
            if self._stopped():
                break
            if self.job.save_every and self.state.step % self.job.save_every == 0:
                self._save()
        meter.flush(self)
        if self.state.batch >= sum(self.schedule.groups(self.state.epoch)):
            self.state.epoch, self.state.batch = self.state.epoch + 1, 0
            self._save()  # what was learned, whatever becomes of its validation
            last = self.state.epoch == self.recipe.epochs
            if last or self.validation is None or self.state.epoch % self.job.val_every == 0:
                self._judge(meter)
            self._save()

    def _groups(self) -> Iterator[tuple[list[Batch], float]]:
        """Batches of one optimiser step each, and the seconds that they were waited for."""
        feed = self.feed.epoch(self.state.epoch, self.state.batch)
        ends = itertools.accumulate(self.schedule.groups(self.state.epoch))
        for end in [end for end in ends if end > self.state.batch]:
            began = time.perf_counter()
            group = [next(feed) for _ in range(end - self.state.batch)]
            yield group, time.perf_counter() - began

    def _step(self, batches: list[Batch], waited: float, meter: Meter) -> None:
        """One optimiser step."""
        began = time.perf_counter()
        last = self.state.epoch * self.feed.batches_per_epoch + self.state.batch + len(batches) - 1
        rates = self.schedule.rates(last)
        set_rates(self.optimiser, rates)
        torch.manual_seed(self._step_seed())
        self.model.train()
        if self.recipe.frozen_norm:
            freeze_norms(self.module)
        total = torch.zeros((), device=self.accelerator.device)
        for i, batch in enumerate(batches):
            total += self._backward(batch, len(batches), last=i == len(batches) - 1)
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
        meter.add(self, loss, rates.lr, images, waited, waited + time.perf_counter() - began)

    def _backward(self, batch: Batch, count: int, last: bool) -> Tensor:
        """Gradients of one batch of `count`; processes exchange them with the `last`."""
        batch = batch.to(self.accelerator.device)
        share = self.accelerator.num_processes if self.recipe.nominal_batch else 1 / count
        if last:
            loss = self._forward(batch)
            self.accelerator.backward(loss * share)
        else:
            with self.accelerator.no_sync(self.model):
                loss = self._forward(batch)
                self.accelerator.backward(loss * share)
        return loss.detach() / count

    def _forward(self, batch: Batch) -> Tensor:
        images = batch.images
        if self.recipe.multi_scale:
            images = rescaled(images, self.recipe.multi_scale, self._step_seed(), MULTIPLE)
        with torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.bf16):
            outputs = self.model(images)
        loss = self.task.loss(self.module, outputs, batch)
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

    def _judge(self, meter: Meter) -> None:
        """Validate the weights as they would be used, and keep them if they are the best."""
        weights = self._weights()
        if self.main and self.validation is not None:
            module = build(self.recipe.net, **self.recipe.net_options)
            module.load_state_dict(weights)
            module = module.to(self.accelerator.device)
            self.errors = self.task.validate(module, self.validation, self.job.val_limit)
        if self.main:
            self._keep_best(weights)
            row = {"step": self.state.step, "epoch": self.state.epoch, "loss": meter.epoch_mean()}
            self.log.epoch({**row, **self.errors})
        self._share_state()
        meter.tell(self)

    def _keep_best(self, weights: dict[str, Tensor]) -> None:
        if self.validation is None and math.isfinite(self.state.best):
            return  # chosen by a validation that this run is resumed without
        error = self.errors.get(self.recipe.monitor)
        if self.job.validation is not None and error is None:
            known = ", ".join(self.errors)
            raise UsageError(
                f"monitor {self.recipe.monitor!r} was not measured; use one of {known}"
            )
        if error is not None and self.recipe.monitor in SCORES:
            error = -error
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
        return (
            self.interrupted
            or late
            or not patient
            or (job.max_steps is not None and state.step >= job.max_steps)
        )

    def _weights(self) -> dict[str, Tensor]:
        """What is evaluated and shipped: the average where there is one."""
        state = self.average.state if self.average else self.module.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def _checkpoint(self, weights: dict[str, Tensor], training: dict[str, Any]) -> Checkpoint:
        recipe = self.recipe
        return Checkpoint(
            recipe.net, recipe.net_options, self.task.card, weights, recipe.to_dict(), training
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
        chosen = math.isfinite(self.state.best) and (self.job.folder / BEST).is_file()
        if not chosen:
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
        mine, theirs = self.recipe.to_dict(), from_dict(found.recipe).to_dict()
        other = [name for name in mine if theirs[name] != mine[name]]
        if other:
            raise UsageError(
                f"{path}: its recipe differs in {', '.join(other)}; resume with the same recipe "
                f"({self.job.folder / RECIPE}), or start in another folder, with --weights {path}"
            )
        return found

    def _restore(self, saved: Checkpoint) -> None:
        training = saved.training
        self.state = State(**training["state"])
        self.module.load_state_dict(training["model"])
        try:
            self.optimiser.load_state_dict(training["optimiser"])
        except ValueError as error:
            raise UsageError(
                f"{self.job.folder / LAST}: other layers learned before than would now; resume "
                "with the same options"
            ) from error
        self.errors = dict(training["errors"]) if self.validation is not None else {}
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


def leave() -> None:
    """Take leave of the other processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def end() -> None:
    """End this process at once if it is one of several, its work being done.

    Where the interpreter ends in order, threads of gloo are still there, and now and then they
    abort it (PyTorch 2.13): a run that is whole would count as failed.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        leave()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def freeze_norms(module: nn.Module) -> None:
    """Let batch norms use, and keep, the statistics that they have."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()


def make_task(recipe: Recipe, data: Dataset, module: nn.Module) -> Task:
    """What the recipe learns. Raises `UsageError` where the data cannot teach it."""
    if recipe.task == "detection":
        return DetectionTask(recipe, data)
    return DepthTask(recipe, data, module)


def trained_data(recipe: Recipe, data: Dataset) -> Dataset:
    """The data under the names that the recipe learns."""
    if recipe.task == "detection":
        return relabelled(data, recipe.class_map, recipe.classes)
    return data


def check_validation(recipe: Recipe, job: Job) -> None:
    """Refuse limits and validation data that cannot be, before anything is trained."""
    if job.max_minutes is not None and job.max_minutes <= 0:
        raise UsageError(f"max_minutes is {job.max_minutes}; give a positive number")
    if recipe.task != "detection" or job.validation is None:
        return
    names = {recipe.class_map.get(name, name) for name in job.validation.class_names}
    if not names & set(recipe.classes):
        raise UsageError(
            f"{job.validation.name}: has none of the classes that are learned, "
            f"{', '.join(recipe.classes)}; it has {', '.join(sorted(names)) or 'none'}"
        )
