import numpy as np
import pytest

from howfar.data.photometric import (
    blur,
    contrast,
    cut_out,
    gain,
    gamma,
    grayscale,
    hue,
    jpeg,
    noise,
    saturation,
)
from howfar.errors import UsageError


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def test_gain_multiplies_channels_and_clips(image):
    found = gain(image, [0.5, 1.0, 2.0])
    assert np.array_equal(found, np.clip(np.rint(image * [0.5, 1.0, 2.0]), 0, 255))
    assert np.array_equal(gain(image, 1.3), np.clip(np.rint(image * np.float32(1.3)), 0, 255))


def test_neutral_settings_change_nothing(image):
    for same in (gain(image, 1), contrast(image, 1), saturation(image, 1), gamma(image, 1)):
        assert np.array_equal(same, image)
    assert np.array_equal(hue(image, 0), image)
    assert np.array_equal(noise(image, np.random.default_rng(0), 0), image)


def test_contrast_keeps_the_mean(image):
    flat, soft = contrast(image, 0), contrast(image, 0.5)
    assert np.ptp(flat) == 0
    assert soft.std() == pytest.approx(image.std() / 2, rel=0.02)
    assert grayscale(soft).mean() == pytest.approx(grayscale(image).mean(), abs=1)


def test_saturation_zero_is_gray(image):
    luma = image @ [0.299, 0.587, 0.114]
    assert np.abs(grayscale(image) - luma[..., None]).max() < 1
    assert np.array_equal(saturation(image, 0), grayscale(image))
    assert np.ptp(saturation(image, 1.5).astype(int), axis=2).mean() > np.ptp(image, axis=2).mean()


def test_hue_turns_red_to_green_to_blue():
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    for turn, channel in ((1 / 3, 1), (-1 / 3, 2), (0.0, 0)):
        found = hue(red, turn)[0, 0].astype(int)
        assert found[channel] >= 250
        assert sorted(found)[1] <= 10


def test_gamma_bends_the_middle(image):
    expected = 255 * (image / 255) ** 1.7
    assert np.abs(gamma(image, 1.7) - expected).max() <= 0.51


def test_blur_smooths_and_noise_roughens(image):
    assert blur(image, 1.5).std() < 0.5 * image.std()
    assert blur(image, 1.5).mean() == pytest.approx(image.mean(), abs=1)
    gray = np.full((100, 100, 3), 128, np.uint8)
    assert noise(gray, np.random.default_rng(0), 8).std() == pytest.approx(8, rel=0.05)


def test_jpeg_loses_more_at_lower_quality_and_keeps_the_order_of_channels():
    smooth = np.zeros((32, 32, 3), np.uint8)
    smooth[..., 0] = np.arange(32) * 8
    smooth[..., 2] = 40
    low, high = (np.abs(jpeg(smooth, q).astype(int) - smooth).mean() for q in (5, 98))
    assert high < low < 40
    assert high < 3


def test_cut_out_paints_a_clipped_rectangle(image):
    found = cut_out(image, -5, 30, 15, 100, fill=9)
    expected = image.copy()
    expected[30:, :10] = 9
    assert np.array_equal(found, expected)
    assert np.array_equal(cut_out(image, -50, 0, 10, 10), image)


def test_read_only_pictures_are_fine_and_stay(image):
    before = image.copy()
    image.flags.writeable = False
    rng = np.random.default_rng(0)
    pictures = [
        gain(image, 2), contrast(image, 2), saturation(image, 2), hue(image, 0.2), gamma(image, 2),
        grayscale(image), blur(image, 2), noise(image, rng, 9), jpeg(image, 50),
        cut_out(image, 1, 2, 30, 40),
    ]  # fmt: skip
    for found in pictures:
        assert found.shape == image.shape
        assert found.dtype == np.uint8
        assert not np.array_equal(found, before)
    assert np.array_equal(image, before)


def test_wrong_settings_are_told(image):
    with pytest.raises(UsageError, match="gains"):
        gain(image, -1)
    with pytest.raises(UsageError, match="gamma is 0"):
        gamma(image, 0)
    with pytest.raises(UsageError, match="blur of 0"):
        blur(image, 0)
    with pytest.raises(UsageError, match="quality is 0"):
        jpeg(image, 0)
