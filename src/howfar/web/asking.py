"""What a request may ask for: the options of a call as query parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from howfar.errors import UsageError
from howfar.options import Options, make_options

Metres = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class Asked(BaseModel):
    """Options of `howfar predict` that make sense for one picture."""

    model_config = ConfigDict(extra="forbid")

    conf: float = Field(0.25, ge=0, le=1, description="Least score.")
    iou: float = Field(0.6, ge=0, le=1, description="Overlap above which boxes are one thing.")
    max_det: int = Field(300, ge=1, le=3000, description="Most objects.")
    classes: str | None = Field(
        None, max_length=2000, description="Only these classes, separated by commas."
    )
    multi_label: bool = Field(False, description="A box may be several classes.")
    agnostic: bool = Field(False, description="Suppress across classes.")
    diou: float = Field(0, ge=0, le=10, description="Exponent by which distant centres count.")
    min_distance: Metres | None = Field(None, description="Hide what is nearer, in metres.")
    max_distance: Metres | None = Field(None, description="Hide what is farther, in metres.")
    by: Literal["z", "range"] = Field("z", description="Filter by z or by range.")
    stat: Literal["foreground", "median", "central-mean", "center"] = Field(
        "foreground", description="How the distance of a box is read from its depths."
    )
    focal_px: float | None = Field(
        None, ge=1, le=1e6, allow_inf_nan=False, description="Focal length in pixels."
    )
    fov_deg: float | None = Field(
        None, ge=1, le=179, allow_inf_nan=False, description="Horizontal field of view, degrees."
    )
    scale: str | None = Field(
        None,
        max_length=200,
        description="Metres from a factor (1.3), a known distance (2.5m@chair, 2.5m@320,240), "
        "camera-height=1.65m or object-size.",
    )

    def options(self) -> Options:
        """As the pipeline takes them. Raises `UsageError`."""
        asked = self.model_dump(exclude_none=True)
        if self.classes is not None:
            asked["classes"] = tuple(name.strip() for name in self.classes.split(",") if name)
        return make_options(asked)


def options_of(values: Mapping[str, Any]) -> Options:
    """Options of plain values, those of a stream's address say. Raises `UsageError`."""
    try:
        return Asked.model_validate(dict(values)).options()
    except ValidationError as error:
        raise UsageError(validation_text(error.errors())) from None


def validation_text(problems: Any) -> str:
    """The first problem that pydantic found, as one line."""
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("query", "path", "body"))
    words = first["msg"]
    return f"{place or 'request'}: {words[:1].lower()}{words[1:]}"
