from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from howfar.core.camera import Camera
from howfar.core.depth import DepthKind
from howfar.data.geometry import crop, resize_scene
from howfar.data.scene import Scene
from howfar.distill.lesson import (
    Answers,
    Lesson,
    ViewBatch,
    agreed,
    followed,
    joint_card,
    part_of,
    share_loss,
)
from howfar.distill.mixture import Mixture
from howfar.distill.run import RECIPE
from howfar.distill.survey import Kind
from howfar.distill.views import View, canonical
from howfar.nets.joint import CANONICAL_FOCAL


def test_what_a_teacher_says_of_a_part_is_what_the_truth_says_of_it():
    """A slanted wall, known to a camera: its canonical depth in a part of the picture."""
    y, x = np.mgrid[:240, :320] / 320
    depth = (2 + 3 * x + y).astype(np.float32)
    scene = Scene(
        image=np.zeros((240, 320, 3), np.uint8),
        depth=depth,
        camera=Camera.from_focal(CANONICAL_FOCAL * 320, 320, 240),
    )
    whole, known = (torch.from_numpy(a)[None, None] for a in canonical(scene, 80))
    cut = crop(scene, 80, 60, 160, 120)
    wanted, _ = canonical(resize_scene(cut, 320, 320), 80)
    parts = torch.tensor([[80 / 320, 60 / 240, 240 / 320, 180 / 240]])
    found, valid = part_of(whole, known, parts)
    assert valid.all()
    np.testing.assert_allclose(found[0, 0].numpy(), wanted, atol=0.01)


def test_nothing_is_known_where_the_teacher_said_nothing():
    known = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    known[..., :4] = False
    _, valid = part_of(torch.zeros(1, 1, 8, 8), known, torch.tensor([[0.25, 0.0, 0.75, 1.0]]))
    assert valid[..., 5:].all()
    assert not valid[..., :4].any()


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_canonical_depth_shrinks_with_the_width(share):
    found, _ = part_of(
        torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4) > 0, torch.tensor([[0.0, 0.0, share, 1.0]])
    )
    assert found.exp().mean().item() == pytest.approx(share)
    half, _ = part_of(
        *(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4) > 0),
        *(torch.tensor([[0.0, 0.0, share, 1.0]]), 0.5),
    )
    assert half.exp().mean().item() == pytest.approx(share**0.5)


def test_who_answers_is_taught_where_it_is_known():
    """In rooms that FastDepth teaches its own layers, on roads the others, else nobody says."""
    none = torch.zeros(3, 1, 1, 1)
    rooms, road = torch.tensor([0.4, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    batch = ViewBatch(
        *(none, none, none > 0, torch.zeros(0, 8), rooms, rooms > 0, none[:0]),
        *(torch.zeros(0, 4), torch.zeros(0, 1), road, None, ("room", "road", "truth")),
    )
    logit = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
    share_loss(logit, batch).backward()
    assert logit.grad is not None
    share = torch.tensor(1.0).sigmoid().item()
    assert logit.grad.tolist() == pytest.approx([share / 3, (share - 1) / 3, 0])


@pytest.mark.parametrize(
    ("kind", "shift", "same"),
    [
        (DepthKind.RELATIVE, 0.0, True),
        (DepthKind.RELATIVE, 0.4, False),
        (DepthKind.RELATIVE_AFFINE, 0.4, True),
    ],
)
def test_a_teacher_is_followed_up_to_what_it_leaves_open(kind, shift, same):
    card = SimpleNamespace(depth_kind=kind)
    inverse = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    loss = followed(card, -(2 * inverse + shift).log(), inverse, torch.ones(1)).item()
    assert (loss < 1e-4) == same


def said(metres, known=True):
    """What a teacher says of two views."""
    shape = (2, 1, 1, 2)
    return torch.full(shape, metres).log(), torch.full(shape, known)


def test_several_metric_teachers_are_weighed_by_the_trust_in_them():
    """In each picture; equally where none is trusted, as outdoors."""
    trust = torch.tensor([[0.6, 0.2], [0.0, 0.0]])
    found, valid = agreed([said(2.0), said(8.0)], trust)
    assert valid.all()
    assert found[0].exp().mean().item() == pytest.approx(2 * 4**0.25)
    assert found[1].exp().mean().item() == pytest.approx(4)
    alone, _ = agreed([said(2.0)], trust[:, :1])
    torch.testing.assert_close(alone, said(2.0)[0])


def test_who_says_nothing_does_not_count():
    found, valid = agreed([said(2.0, known=False), said(8.0)], torch.tensor([[0.6, 0.2], [0.6, 0]]))
    assert valid[0].all()
    assert not valid[1].any()
    assert found[0].exp().mean().item() == pytest.approx(8)


def test_losses_of_several_relative_teachers_are_averaged_each_by_its_law():
    """The third is metric: only its scale is left open."""
    inverse = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    u, one = -(2 * inverse).log(), torch.ones(1)
    card = joint_card("some", RECIPE.preprocess)
    kinds = (DepthKind.RELATIVE, DepthKind.RELATIVE_AFFINE, DepthKind.METRIC)
    teachers = [SimpleNamespace(card=replace(card, depth_kind=kind)) for kind in kinds]
    lesson = Lesson(RECIPE, Mixture([], 0), relatives=teachers)
    answers = Answers(relative=(inverse, inverse + 0.4, inverse + 0.2))
    batch = replace(outdoors(torch.zeros(1, 4)), relative=one, answers=answers)
    pairs = zip(teachers, answers.relative, strict=True)
    parts = [followed(teacher.card, u, said, one).item() for teacher, said in pairs]
    assert parts[:2] == pytest.approx([0, 0], abs=1e-4)
    assert parts[2] > 0.01
    maps = {"log_depth": u, "log_error": torch.zeros_like(u)}
    assert lesson.loss(Slope(), maps, batch).item() == pytest.approx(np.mean(parts), rel=1e-5)


def test_losses_of_several_detectors_are_averaged():
    """Also where one knows some classes only; the card names both."""
    rows, *taught = torch.rand(3, 1, 85, 112, generator=torch.Generator().manual_seed(0))
    card = joint_card("some", RECIPE.preprocess)
    teachers = [
        SimpleNamespace(card=replace(card, name="all"), classes=None),
        SimpleNamespace(card=replace(card, name="few", licence="GPL-3.0"), classes=[0, 2]),
    ]
    lesson = Lesson(RECIPE, Mixture([], 0), teachers)
    assert lesson.card.origin == "howfar distill; taught by all (Apache-2.0), few (GPL-3.0)"
    assert lesson.card.licence == "that of its teachers, see origin"
    none = torch.zeros(1, 1, 8, 8)
    maps = {"log_depth": none, "log_error": none, "detections": rows}
    batch = replace(outdoors(torch.zeros(1, 4)), answers=Answers(boxes=tuple(taught)))
    both = lesson.loss(Slope(), maps, batch).item()
    parts = [lesson._boxes(rows, said, t.classes) for said, t in zip(taught, teachers, strict=True)]
    assert both == pytest.approx(float(sum(parts)) / 2, rel=1e-5)
    assert float(parts[0]) != pytest.approx(float(parts[1]), rel=0.01)


def test_views_without_teachers_of_depth_make_a_batch():
    room = View(
        *(np.zeros((32, 32, 3), np.uint8), np.zeros((8, 8), np.float32), np.zeros((8, 8), bool)),
        *(np.zeros((0, 7), np.float32), Kind.INDOOR, (), None, np.zeros((32, 32, 3), np.uint8)),
    )
    recipe = replace(RECIPE, preprocess=replace(RECIPE.preprocess, width=32, height=32))
    batch = Lesson(recipe, Mixture([], 0), everywhere=True).stack(["room"], [room])
    assert batch.metric.tolist() == [0]
    assert not batch.asked.any()
    assert batch.trust.shape == (0, 0)


HALF = torch.tensor([[0.25, 0.25, 0.75, 0.75]])


def outdoors(parts, metric=0.0):
    """A view of which nothing is known but the picture that it is a part of."""
    none = torch.zeros(1, 1, 8, 8)
    return ViewBatch(
        *(torch.zeros(1, 3, 32, 32), none, none > 0, torch.zeros(0, 8), torch.tensor([metric])),
        *(torch.tensor([True]), torch.zeros(1, 3, 32, 32), parts, torch.zeros(1, 1)),
        *(torch.zeros(1), None, ("view",)),
    )


class Slope(torch.nn.Module):
    """Says the same of every picture: farther to the right."""

    def forward(self, images):
        ramp = torch.linspace(0, 1, images.shape[-1] // 4).expand(images.shape[-2] // 4, -1)
        return {"log_depth": ramp.expand(len(images), 1, -1, -1)}


@pytest.mark.parametrize(
    ("parts", "metric", "wanted"),
    [(HALF, 0.0, 0.1), (HALF, 0.4, 0.1), (torch.tensor([[0.0, 0.0, 1.0, 1.0]]), 0.0, 0.0)],
)
def test_a_student_is_held_to_what_it_says_of_the_whole(parts, metric, wanted):
    """Of a part, whether a teacher knows more or not; training goes on in the mode it was in."""
    lesson = Lesson(RECIPE, Mixture([], 0), exponent=0.5, everywhere=True)
    student = Slope().train()
    of_whole = student(torch.zeros(1, 3, 32, 32))["log_depth"]
    of_part, _ = part_of(of_whole, of_whole > -1, HALF, 0.5)
    loss = lesson._steady(student, of_part + 0.1, outdoors(parts, metric))
    assert loss.item() == pytest.approx(wanted, abs=1e-6)
    assert student.training


@pytest.mark.parametrize("everywhere", [True, False])
def test_layers_of_the_metric_teacher_follow_it_everywhere(everywhere):
    """Outdoors, too, where its answer is not the student's."""
    lesson = Lesson(RECIPE, Mixture([], 0), everywhere=everywhere)
    maps = {
        name: torch.zeros(1, 1, 8, 8, requires_grad=True)
        for name in ("log_depth", "log_error", "rooms")
    }
    answer = Answers(metric=torch.ones(1, 1, 8, 8), metric_valid=torch.ones(1, 1, 8, 8) > 0)
    batch = outdoors(torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    lesson.loss(Slope(), maps, ViewBatch(**(vars(batch) | {"answers": answer}))).backward()
    told = maps["rooms"].grad
    assert (told is not None and bool((told < 0).all())) == everywhere
    assert not maps["log_depth"].grad.any()
