"""Depth from defocus for robots: one defocused image in; metric depth, signed blur and confidence out."""

__version__ = "0.1.0"
