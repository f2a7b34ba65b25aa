"""Losses of the self-supervised training, each with its equation."""

from .defocus import defocus_loss
from .likelihood import Uncertain, laplace_nll
from .photometric import edge_aware_smoothness, extra_blur, photometric_error

__all__ = ["Uncertain", "defocus_loss", "edge_aware_smoothness", "extra_blur", "laplace_nll", "photometric_error"]
