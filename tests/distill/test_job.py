from dataclasses import replace

import pytest

from howfar.distill.job import DETECTOR, DistillJob, exponent_of, parse_pictures, with_rates
from howfar.distill.lesson import joint_card
from howfar.distill.run import RECIPE
from howfar.distill.survey import Kind
from howfar.errors import UsageError
from howfar.nets.checkpoint import Checkpoint, save_checkpoint
from howfar.nets.joint import joint
from howfar.train.loop import LAST


def test_a_student_keeps_the_law_of_where_it_comes_from(tmp_path):
    """Unless told: 1 for a fresh one, else that of its checkpoint; it does not go on by another."""
    card = joint_card("n", RECIPE.preprocess, 0.5)
    net = joint("n")
    checkpoint = Checkpoint("joint", {"size": "n"}, card, net.state_dict())
    save_checkpoint(tmp_path / "a.pt", checkpoint)
    job = DistillJob([], tmp_path / "run")
    assert exponent_of(job) == 1.0
    assert exponent_of(replace(job, start=tmp_path / "a.pt")) == 0.5
    assert exponent_of(replace(job, start=tmp_path / "a.pt", focal_exponent=0.8)) == 0.8
    (tmp_path / "run").mkdir()
    save_checkpoint(tmp_path / "run" / LAST, checkpoint)
    assert exponent_of(job) == 0.5
    with pytest.raises(UsageError, match=r"focal-exponent is 0\.9.*was taught with 0\.5"):
        exponent_of(replace(job, focal_exponent=0.9))


def test_sources_as_text():
    found = parse_pictures("rgbd:/data/a?unit=kitti@0.3@road")
    assert (found.address, found.share, found.kind) == ("rgbd:/data/a?unit=kitti", 0.3, Kind.ROAD)
    assert parse_pictures("pictures:/p").share == 1
    for text in ("pictures:/p@x", "pictures:/p@0", "pictures:/p@1@sea", "pictures:/p@1@road@2"):
        with pytest.raises(UsageError, match="pictures:/p"):
            parse_pictures(text)


def test_what_has_weights_learns_slowly(tmp_path):
    """Unless told otherwise, or the detector is frozen; a run that goes on keeps its rates."""
    card = joint_card("n", RECIPE.preprocess)
    checkpoint = Checkpoint("joint", {"size": "n"}, card, joint("n").state_dict())
    save_checkpoint(tmp_path / "a.pt", checkpoint)
    fresh = DistillJob([], tmp_path / "run")
    going = replace(fresh, start=tmp_path / "a.pt")
    assert with_rates(fresh, RECIPE).slow == ()
    assert with_rates(going, RECIPE).slow == (*DETECTOR, "depth.")
    assert with_rates(replace(going, settings=["slow=[]"]), RECIPE).slow == ()
    assert with_rates(replace(going, freeze=True), RECIPE).slow == ()
    (tmp_path / "run").mkdir()
    kept = replace(checkpoint, recipe={"slow": ["head."]})
    save_checkpoint(tmp_path / "run" / LAST, kept)
    assert with_rates(fresh, RECIPE).slow == ("head.",)
