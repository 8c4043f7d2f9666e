"""Class names of the data sets that public networks were trained on."""

from __future__ import annotations

import itertools

_COCO80_TEXT = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,"
    "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,"
    "backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,"
    "baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,"
    "bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,"
    "oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,"
    "toothbrush"
)
COCO80 = tuple(_COCO80_TEXT.split(","))
"""The 80 COCO classes in their usual order."""

_ID_RUNS = ((1, 11), (13, 25), (27, 28), (31, 44), (46, 65), (67, 67), (70, 70), (72, 82), (84, 90))
COCO_IDS = tuple(itertools.chain(*(range(first, last + 1) for first, last in _ID_RUNS)))
"""COCO category id of each of `COCO80` (facts sheet, section 2)."""

NO_CLASS = "N/A"
"""Name of class numbers that stand for nothing; detections of it are dropped."""

COCO91 = tuple(
    COCO80[COCO_IDS.index(i)] if i in COCO_IDS else NO_CLASS for i in range(COCO_IDS[-1] + 1)
)
"""Names by COCO category id, 0..90, with gaps: DETR and the TensorFlow Object Detection API."""

NAMED_CLASSES = {"coco80": COCO80, "coco91": COCO91}
