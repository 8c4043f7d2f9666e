from dataclasses import replace

import numpy as np
import pytest
from conftest import Finder, Slope, picture

from howfar.distill.survey import Kind, ask, kind_of, self_contradiction, survey


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (("chair", "tv"), Kind.INDOOR),
        (("car", "truck"), Kind.ROAD),
        (("car", "chair"), Kind.OTHER),
        (("zebra",), Kind.OTHER),
        (("person",), Kind.OTHER),
        ((), Kind.OTHER),
    ],
)
def test_objects_tell_the_kind(labels, kind):
    assert kind_of(Finder(*labels).detect(None, None)) is kind


def test_a_network_that_agrees_with_itself_is_trusted():
    """Mirrored and magnified: depth must mirror, and shrink by the magnification."""
    room = picture(0)
    flat, steep = (self_contradiction(room, Slope(s)) for s in (0.0, 1.0))
    assert flat == pytest.approx(np.log(1.3) / 2, rel=1e-3)  # it does not see the magnification
    assert steep > flat + 0.2
    assert ask(room, Finder("car"), [Slope(0.0)]).trust == (0,), "roads are not asked about"
    both = ask(room, Finder("chair"), [Slope(0.0), Slope(1)])
    assert both.trust[0] > both.trust[1] > 0
    assert both.best_trust == both.trust[0]
    assert ask(room, Finder("chair"), []).best_trust == 0


def test_a_network_that_hardly_looks_for_the_lens_is_not_trusted_the_more():
    """One that says the same of whole and part errs as much by either law."""
    whole, half = (self_contradiction(picture(0), Slope(0.0, power)) for power in (1.0, 0.5))
    assert whole == pytest.approx(np.log(1.3) / 2, rel=1e-3)
    assert half == pytest.approx(whole, rel=1e-3)


def test_the_same_file_with_another_card_is_asked_anew(pictures, tmp_path):
    file, finder = tmp_path / "survey.json", Finder("chair")
    survey(pictures, finder, [], file)
    other = Finder("chair")
    other.card = replace(other.card, licence="MIT")
    survey(pictures, other, [], file)
    assert other.asked == len(pictures)


def test_answers_are_kept_and_used_again(pictures, tmp_path):
    file, finder = tmp_path / "survey.json", Finder("chair")
    told = []
    depths = [Slope(0)]
    first = survey(pictures, finder, depths, file, lambda done, count: told.append((done, count)))
    again = survey(pictures, finder, depths, file)
    assert first == again
    assert finder.asked == len(pictures) == len(first)
    assert told[-1] == (5, 5)
    other = Finder("car")
    other.sha256 = "another"
    assert survey(pictures, other, [], file)[0].kind is Kind.ROAD, "others were asked"
