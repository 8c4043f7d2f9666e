"""Hooks of schemathesis: half of the pictures are real ones, half of the results exist.

Without them every picture would be random bytes, every result unknown and some option of every
call nonsense, and what lies behind would never be reached.
"""

import os
import random
from pathlib import Path

import schemathesis

PICTURE = Path(os.environ["FUZZ_PICTURE"]).read_bytes()
RESULT = os.environ["FUZZ_RESULT"]
CHOICE = random.Random(5)


@schemathesis.hook
def map_body(context, body):
    """A real picture in place of random bytes."""
    if isinstance(body, dict) and "image" in body and CHOICE.random() < 0.5:
        return {**body, "image": PICTURE}
    return body


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """A result that is there in place of a random name."""
    if path_parameters and "name" in path_parameters and CHOICE.random() < 0.5:
        return {**path_parameters, "name": RESULT}
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    """Options without those that are nearly always refused: free texts, and two that exclude."""
    if query and CHOICE.random() < 0.7:
        refused = ("scale", "classes", "fov_deg", "min_distance", "by")
        kept = {name: value for name, value in query.items() if name not in refused}
        if "scale" in query:
            kept["scale"] = CHOICE.choice(("0.5", "1e9", "1e-9", "2m@chair", "3m@5,5", "1+-90%"))
        return kept
    return query
