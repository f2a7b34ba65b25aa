from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bag_maker import LENS, TOPICS, BagMaker

from defocus_depth.evaluation.bags.options import BagOptions
from defocus_depth.evaluation.bags.request import BagRequest
from defocus_depth.messages.lens_setting import LensSetting


@pytest.fixture
def maker() -> BagMaker:
    return BagMaker()


@pytest.fixture
def plain_bag(maker: BagMaker, tmp_path: Path) -> Path:
    """Four frames of levels 40, 200, 40, 200."""
    maker.frames((40, 200, 40, 200))
    return maker.write(tmp_path / "plain")


@pytest.fixture
def make_request() -> Callable[..., BagRequest]:
    """A function (topics=…, focus_m=0.35, **fields) → BagRequest."""

    def make(topics: BagOptions = TOPICS, focus_m: float | None = 0.35, **fields: Any) -> BagRequest:
        return BagRequest(dataclasses.replace(topics, **fields), LensSetting(LENS, focus_m))

    return make
