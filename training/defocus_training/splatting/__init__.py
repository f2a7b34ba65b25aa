"""Differentiable finite-aperture rendering of 3D Gaussians seen from one camera."""
