"""The report as a user meets it: in a browser, with mouse and keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_depth.evaluation.dataset import Sample
from defocus_depth.evaluation.methods import Prediction
from defocus_depth.evaluation.metrics import DepthMaps
from defocus_depth.evaluation.report import Report
from defocus_depth.evaluation.results import JudgedFrames
from defocus_depth.evaluation.run import evaluate_samples
from defocus_depth.evaluation.summary import summary
from defocus_depth.types import FloatArray, LensParameters

from .chromium import EXECUTABLE, Chromium

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed (apt-get install chromium)")
SPLIT = "getComputedStyle(document.querySelector('.stage')).getPropertyValue('--split')"
SOURCE = "document.querySelector('.stage .{}').src"
RIGHT_ARROW, TAB = 39, 9


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two frames, `far` worse than `near`."""
    report, rng = Report(tmp_path_factory.mktemp("report")), np.random.default_rng(8)
    slope_m: FloatArray = np.tile(np.linspace(0.5, 1.5, 96), (64, 1)).astype(np.float32)

    def predict(sample: Sample) -> Prediction:
        confidence: FloatArray = np.clip(slope_m - sample.truth_depth_m / 4, 0, 1).astype(np.float32)
        return Prediction(DepthMaps(slope_m, sample.coc_px(slope_m)), confidence, slope_m * np.float32(0.1))

    samples = [
        Sample(
            name=f"{name}/000",
            group=name,
            image=rng.integers(0, 255, (64, 96, 3), np.uint8),
            lens=LensParameters(blur_gain_px_per_dpt=8.0),
            focus_distance_m=0.4,
            truth_depth_m=slope_m * np.float32(scale),
        )
        for name, scale in (("near", 1.1), ("far", 2.0))
    ]
    judged = JudgedFrames(evaluate_samples(samples, predict, 0.5, report.add))
    return report.finish("In a browser", summary("network", "first", judged, 0.5))


@pytest.fixture
def browser(chromium: Chromium, page: Path) -> Chromium:
    chromium.open(page)
    return chromium


def middle_of_stage(browser: Chromium, file: Path) -> np.ndarray:
    browser.evaluate("document.querySelector('.stage').scrollIntoView({block: 'center'})")
    box = "(b => [b.x, b.y, b.width, b.height])(document.querySelector('.stage').getBoundingClientRect())"
    x, y, width, height = browser.evaluate(box)
    browser.screenshot(file)
    picture = cv2.imread(str(file))
    assert picture is not None
    return picture[int(y) : int(y + height), int(x) : int(x + width)]


def test_the_slider_moves_and_shows_more_of_the_other_layer(browser: Chromium, tmp_path: Path) -> None:
    assert browser.evaluate(SPLIT) == "50%"
    before = middle_of_stage(browser, tmp_path / "before.png")
    browser.click(".stage input", across=0.2)
    assert 15 <= float(browser.evaluate(SPLIT).rstrip("%")) <= 25
    after = middle_of_stage(browser, tmp_path / "after.png")
    height, width = before.shape[:2]
    changed = np.abs(before.astype(int) - after.astype(int)).max(axis=2) > 8
    between = (slice(height // 10, height // 4), slice(int(0.25 * width), int(0.45 * width)))
    beyond = (slice(height // 10, height // 4), slice(int(0.6 * width), int(0.95 * width)))
    assert changed[between].mean() > 0.9 and changed[beyond].mean() < 0.01


def test_the_keyboard_is_enough(browser: Chromium) -> None:
    browser.evaluate("document.querySelector('.stage input').focus()")
    for _ in range(5):
        browser.press("ArrowRight", RIGHT_ARROW)
    assert browser.evaluate(SPLIT) == "55%"
    assert "55 % image" in browser.evaluate("document.querySelector('.stage input').getAttribute('aria-valuetext')")
    browser.press("Tab", TAB)
    assert browser.evaluate("document.activeElement.name") == "left"
    before = browser.evaluate(SOURCE.format("left"))
    browser.press("ArrowRight", RIGHT_ARROW)  # the next of the radio buttons
    assert browser.evaluate("document.activeElement.value") == "depth"
    assert browser.evaluate(SOURCE.format("left")) != before


def test_layers_and_frames_are_chosen_with_the_mouse(browser: Chromium) -> None:
    assert browser.evaluate("document.querySelector('.viewer .name').textContent") == "far/000"  # the worst
    shown = {browser.evaluate(SOURCE.format("right"))}
    for layer in ("coc", "error", "truth", "confidence"):
        browser.click(f"input[name=right][value={layer}] + span")
        shown.add(browser.evaluate(SOURCE.format("right")))
    assert len(shown) == 5
    assert browser.evaluate("document.querySelector('.legend.right img').src").startswith("data:image/webp")
    browser.click(".frame[data-name='near/000']")
    assert browser.evaluate("document.querySelector('.viewer .name').textContent") == "near/000"
    assert browser.evaluate(SOURCE.format("right")) not in shown
    browser.click(".next")
    assert browser.evaluate("document.querySelector('.viewer .name').textContent") == "far/000"


def test_nothing_is_fetched_and_nothing_goes_wrong(browser: Chromium) -> None:
    asked = [
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1
    wrong = [event for event in browser.events if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert wrong == []
    decoded = "[...document.images].every(i => !i.src || i.hidden || i.naturalWidth > 0)"
    assert browser.evaluate(decoded)


def test_narrow_screens_do_not_scroll_sideways(browser: Chromium) -> None:
    browser.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    width = browser.evaluate("document.documentElement.scrollWidth")
    browser.send("Emulation.clearDeviceMetricsOverride")
    assert width <= 390
