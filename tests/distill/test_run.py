import json

import cv2
import numpy as np
import pytest

from howfar.cli import app
from howfar.nets.checkpoint import load_checkpoint


@pytest.mark.shared
@pytest.mark.slow
def test_a_student_learns_from_three_teachers(shared_data, shared_models, tmp_path, monkeypatch):
    """The verb as a user types it, on photographs and rendered rooms; then what it made runs."""
    from typer.testing import CliRunner

    monkeypatch.setenv("HOWFAR_MODELS", str(shared_models))
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted((shared_data / "train" / "coco-train128" / "images").glob("*"))[:12]:
        cv2.imwrite(str(photos / f"{path.stem}.png"), cv2.resize(cv2.imread(str(path)), (160, 120)))
    command = [
        *("distill", "--data", f"pictures:{photos}@0.7", "--cpu", "--imgsz", "96", "--views", "32"),
        *("--data", "synthetic:indoor?count=3&size=96x72@0.3", "--out", str(tmp_path / "run")),
        *("--start", str(shared_models / "nanodet_plus_m_416.onnx"), "--set", "warmup_batches=2"),
        *("--val", "rooms=synthetic:indoor?count=2&seed=9&size=96x72", "--set", "batch=8"),
        *("--start-depth", "fastdepth", "--focal-exponent", "0.5"),
        *("--labels", "--calibrate", "rooms=synthetic:indoor?count=4&seed=5&size=96x72"),
    ]
    runner = CliRunner()
    result = runner.invoke(app, [*command, "--epochs", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    best = tmp_path / "run" / "best.pt"
    assert str(best) in result.output.replace("\n", "")
    losses = np.genfromtxt(tmp_path / "run" / "steps.csv", delimiter=",", names=True)["loss"]
    assert np.isfinite(losses).all()
    picture = next(iter(photos.iterdir()))
    found = runner.invoke(
        app,
        ["predict", str(picture), "--detector", str(best), "--depth", str(best), "--json"],
        catch_exceptions=False,
    )
    record = json.loads(found.stdout)
    assert record["join"] == "joint"
    assert record["depth"]["kind"] == "metric"
    assert record["domain"] in ("familiar", "unfamiliar")
    card = load_checkpoint(best).card
    assert card.interval_level == 0.8
    assert card.focal_exponent == 0.5
    assert sum(record["semantics"].values()) == pytest.approx(1)
