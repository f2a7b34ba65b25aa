"""Ranges of options, which are checked where a configuration is read."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _ascending(ends: tuple[float, float]) -> tuple[float, float]:
    if not 0 < ends[0] <= ends[1]:
        raise ValueError(f"expected 0 < least ≤ most, got {list(ends)}")
    return ends


Share = Annotated[float, Field(ge=0, le=1)]
"""A probability, or a part of a whole."""
Count = Annotated[int, Field(ge=1)]
Span = Annotated[tuple[float, float], AfterValidator(_ascending)]
"""The least and the most of something positive."""
