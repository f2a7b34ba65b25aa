"""The simplest baseline: one depth for every pixel of a data set."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...errors import ConfigError
from ...types import FloatArray
from ..metrics import is_depth


def median_depth_m(truths_m: Iterable[FloatArray]) -> float:
    """The median (m) of all valid pixels of all ground-truth maps together.

    Raises:
        ConfigError: no map has a valid pixel.
    """
    valid = [truth_m[is_depth(truth_m)] for truth_m in truths_m]
    if not any(pixels.size for pixels in valid):
        raise ConfigError("constant: expected ground truth with at least one valid pixel, got none")
    return float(np.median(np.concatenate(valid)))
