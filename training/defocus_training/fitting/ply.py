"""Splats as a PLY file: point cloud for MeshLab, CloudCompare or Open3D, and Gaussians for 3DGS viewers.

The properties are those of Kerbl et al., "3D Gaussian Splatting for Real-Time Radiance Field Rendering", SIGGRAPH 2023
(as their code writes them), and red, green and blue for viewers of points.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

from defocus_depth.atomic import replacing
from defocus_depth.errors import ConfigError
from defocus_depth.types import CameraIntrinsics, FloatArray

_SH_CONSTANT = 0.28209479177387814  # of degree 0: colour = 0.5 + constant·f_dc
_SIGMA_PX = 0.4  # of a sharp splat
_OPACITY_LOGIT = 5.0
_COLUMNS = (
    *((name, "f4") for name in ("x", "y", "z", "nx", "ny", "nz")),
    *((name, "u1") for name in ("red", "green", "blue")),
    *((name, "f4") for name in ("f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2")),
    *((name, "f4") for name in ("rot_0", "rot_1", "rot_2", "rot_3")),
)


@dataclass(frozen=True)
class SplatCloud:
    """One splat per pixel: `depth` (H, W) along z, > 0, and display colour 0..1 (H, W, 3), seen by `camera`."""

    depth: FloatArray
    colour: FloatArray
    camera: CameraIntrinsics
    unit: str


def write_ply(path: Path, cloud: SplatCloud) -> None:
    """Write binary PLY; x right, y down, z forward, in `cloud.unit`.

    Raises:
        ConfigError: the file cannot be written.
    """
    vertices = PlyElement.describe(_vertices(cloud), "vertex")
    try:
        with replacing(path) as partial, partial.open("wb") as file:
            PlyData([vertices], byte_order="<", comments=[f"unit {cloud.unit}"]).write(file)
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error


def _vertices(cloud: SplatCloud) -> np.ndarray:
    height, width = cloud.depth.shape
    camera, z = cloud.camera.scaled(width, height), cloud.depth
    rows, columns = np.indices(z.shape)
    table = np.zeros(z.size, dtype=list(_COLUMNS))
    positions = ((columns - camera.cx) / camera.fx * z, (rows - camera.cy) / camera.fy * z, z)
    table["x"], table["y"], table["z"] = (values.ravel() for values in positions)
    colour = np.clip(cloud.colour.reshape(-1, 3), 0, 1)
    for channel, name in enumerate(("red", "green", "blue")):
        table[name] = np.rint(255 * colour[:, channel])
        table[f"f_dc_{channel}"] = (colour[:, channel] - 0.5) / _SH_CONSTANT
        table[f"scale_{channel}"] = np.log(_SIGMA_PX / camera.fx * z.ravel())
    table["opacity"], table["rot_0"] = _OPACITY_LOGIT, 1
    return table
