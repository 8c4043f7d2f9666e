"""A synthetic world: procedural rooms and streets with exact truth, deterministic by seed.

`scene(7)` renders scene 7: picture, depth, instances, semantics, objects with boxes, occlusion
and distance, camera, and on demand the right picture of a stereo pair. `write(folder, "vkitti2",
100)` stores scenes in the layout of a public data set.
"""

from howfar.data.synthetic.layouts import LAYOUTS, write
from howfar.data.synthetic.records import Box3D, SyntheticObject, SyntheticScene
from howfar.data.synthetic.world import BASELINE_M, SCENE_KINDS, scene, scenes

__all__ = [
    "BASELINE_M",
    "LAYOUTS",
    "SCENE_KINDS",
    "Box3D",
    "SyntheticObject",
    "SyntheticScene",
    "scene",
    "scenes",
    "write",
]
