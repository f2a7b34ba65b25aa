"""Losses of the self-supervised training, each with its equation."""

from .defocus import defocus_loss
from .likelihood import laplace_nll

__all__ = ["defocus_loss", "laplace_nll"]
