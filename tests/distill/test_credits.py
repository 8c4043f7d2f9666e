from dataclasses import replace

from howfar.core.preprocess import Preprocess
from howfar.distill.credits import OWN, licence_notes, licence_of, origin_of
from howfar.models.card import Decoder, ModelCard
from howfar.models.catalog import CATALOG

FREE = ModelCard("free", Decoder.YOLOX, Preprocess(32, 32), ("a",), licence="MIT")
BOUND = replace(FREE, name="bound", licence="AGPL-3.0")


def test_the_card_names_teachers_and_licences():
    assert origin_of([FREE, BOUND, FREE]) == (
        "howfar distill; taught by free (MIT), bound (AGPL-3.0)"
    )
    assert origin_of([]) == "howfar distill; taught by data alone"


def test_what_was_before_is_not_forgotten():
    """A run that goes on is told once; other teachers come on top."""
    first = replace(FREE, origin=origin_of([BOUND]))
    assert origin_of([BOUND], first) == first.origin
    second = replace(FREE, origin=origin_of([FREE], first))
    assert second.origin == f"howfar distill; taught by free (MIT); before: {first.origin}"
    assert origin_of([FREE], second) == second.origin


def test_the_card_names_whose_weights_it_starts_with():
    told = "howfar distill; taught by free (MIT); starts as bound (AGPL-3.0)"
    assert origin_of([FREE], starts=[BOUND]) == told
    assert origin_of([FREE], replace(FREE, origin=told)) == told, "a run that goes on"


def test_notes_are_told_of_licences_that_ask_for_more():
    assert licence_notes([FREE, BOUND, BOUND]) == [
        "bound has the licence 'AGPL-3.0': see whether what learns from it may be given on "
        "under other terms"
    ]
    assert licence_of([FREE]) == OWN
    assert licence_of([FREE, BOUND]) == "that of its teachers, see origin"
    told = licence_notes([entry.card for entry in CATALOG.values()])
    assert {text.split()[0] for text in told} == {
        "yolov5n",
        "yolov5s",
        "yolov8n",
        "yolo11n",
        "yolo26n",
    }
    assert len(licence_notes([replace(FREE, licence="unknown")])) == 1
