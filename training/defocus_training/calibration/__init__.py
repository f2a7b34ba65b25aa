"""Lens calibration from pictures of a flat target: focus scale, blur gain, point spread function, intrinsics."""
