"""Inference backends behind one Protocol, by name; none is imported before it is asked for."""

from .base import Backend, BackendRequest, PixelBackend, Precision, Preparation
from .registry import AUTO, AUTO_ORDER, BACKENDS, load_backend

__all__ = [
    "AUTO",
    "AUTO_ORDER",
    "BACKENDS",
    "Backend",
    "BackendRequest",
    "PixelBackend",
    "Precision",
    "Preparation",
    "load_backend",
]
