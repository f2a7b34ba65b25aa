"""The methods that can be evaluated on a bag, which is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ...errors import ConfigError
from ...inference import AUTO, EstimatorConfig, EstimatorInfo, load_estimator
from ...types import FloatArray
from ..dataset import Sample
from ..methods import Predict, Prediction, network_method, zhuo_sim_method
from ..metrics import DepthMaps, is_depth
from .samples import BagSamples
from .sweeps import focus_sweep_method, fused_sweep_method

BagMethod = Literal["network", "constant", "zhuo_sim", "dff_sml", "fused"]
SWEEP_METHODS = ("dff_sml", "fused")
_NETWORK_METHODS = ("network", "fused")
_BIN_BITS = 12  # of a float32's 23 bits of mantissa: a bin is 0.05 % wide, half of that the largest error
_BINS = 0x7F800000 >> _BIN_BITS  # of finite positive floats


@dataclass(frozen=True)
class MethodChoice:
    """Which method, and what the network needs."""

    method: BagMethod = "network"
    model: Path | None = None
    backend: str = AUTO
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)


class LoadedMethod:
    """A method ready for any number of bags; the network is loaded once.

    Raises:
        ModelError, BackendError: the network cannot be loaded.
    """

    def __init__(self, choice: MethodChoice) -> None:
        self.choice = choice
        self._estimator = None
        if choice.method in _NETWORK_METHODS:
            self._estimator = load_estimator(choice.model, choice.backend, choice.estimator)

    @property
    def info(self) -> EstimatorInfo | None:
        """Of the network; None for other methods."""
        return self._estimator.info if self._estimator else None

    def for_bag(self, samples: BagSamples) -> Predict:
        """The method as a function; `constant` reads the bag once for it.

        Raises:
            ConfigError: `constant` without ground truth.
        """
        if self._estimator:
            fused = self.choice.method == "fused"
            return fused_sweep_method(self._estimator) if fused else network_method(self._estimator)
        if self.choice.method == "constant":
            return _constant(streamed_median_m(samples.truths_m()))
        return zhuo_sim_method() if self.choice.method == "zhuo_sim" else focus_sweep_method()


def streamed_median_m(truths_m: Iterable[FloatArray]) -> float:
    """The median (m, within 0.03 %) of all valid pixels of all maps, holding one map at a time.

    Positive floats are ordered as their bits are: a histogram over the upper bits knows the median.

    Raises:
        ConfigError: no map has a valid pixel.
    """
    counts = np.zeros(_BINS + 1, np.int64)
    for truth_m in truths_m:
        bits = truth_m[is_depth(truth_m)].astype(np.float32).view(np.uint32)
        counts += np.bincount(bits >> _BIN_BITS, minlength=len(counts))
    if not counts.any():
        raise ConfigError("constant: expected ground truth with at least one valid pixel, got none")
    below = np.cumsum(counts)
    middle = int(np.searchsorted(below, (below[-1] + 1) // 2))
    edges = (np.array([middle, middle + 1], np.uint32) << np.uint32(_BIN_BITS)).view(np.float32)
    return float(edges.mean())


def _constant(depth_m: float) -> Predict:
    def predict(sample: Sample) -> Prediction:
        everywhere = np.full(sample.image.shape[:2], depth_m, np.float32)
        return Prediction(DepthMaps(everywhere, sample.coc_px(everywhere)))

    return predict
