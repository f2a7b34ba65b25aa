"""The three cameras whose focal stacks are path-traced, each with the depths its scenes fill."""

from __future__ import annotations

from dataclasses import dataclass

from defocus_depth import optics
from defocus_depth.types import CameraIntrinsics, LensParameters


@dataclass(frozen=True)
class Rig:
    """A camera, its focus sweep and the depths of its scenes.

    Attributes:
        lens: thin lens for an image `camera.width` wide.
        camera: pinhole intrinsics, px; it need not match f/p: blur comes from the lens, geometry from fx.
        foci_m: focus distances, nearest first; the first is nearer than every scene.
        near_m, far_m: every surface of a scene lies between these depths (z, metres).
    """

    name: str
    lens: LensParameters
    camera: CameraIntrinsics
    foci_m: tuple[float, ...]
    near_m: float
    far_m: float

    def blur_gain_px_per_dpt(self, focus_distance_m: float) -> float:
        """G of this rig's image when focused at `focus_distance_m`."""
        focus_dpt = optics.focus_dpt(focus_distance_m, self.lens)
        return optics.blur_gain_px_per_dpt(self.lens, focus_dpt, self.camera.width)

    def aperture_diameter_m(self, focus_distance_m: float) -> float:
        """Diameter G/fx of the aperture that blurs this pinhole camera's picture by G; f/N for s ≫ f when fx = f/p."""
        return self.blur_gain_px_per_dpt(focus_distance_m) / self.camera.fx


def _camera(fx: float, width: int = 320, height: int = 240) -> CameraIntrinsics:
    return CameraIntrinsics(width, height, fx, fx, (width - 1) / 2, (height - 1) / 2)


RIGS = {
    rig.name: rig
    for rig in (
        Rig(
            "robot",
            LensParameters(focal_length_m=8e-3, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320),
            _camera(8e-3 / 6e-6),
            (0.35, 0.45, 0.65, 1.0, 1.8),
            0.4,
            3.0,
        ),
        Rig(
            "macro",
            LensParameters(focal_length_m=12e-3, f_number=8.0, pixel_pitch_m=5e-6, image_width_px=320),
            _camera(12e-3 / 5e-6),
            (0.12, 0.15, 0.2, 0.3, 0.6),
            0.13,
            0.6,
        ),
        # DEReD's protocol: a 50 mm lens blurs pictures of a Kinect's field of view (fx of NYUv2, halved with its size).
        Rig(
            "nyu",
            LensParameters(focal_length_m=50e-3, f_number=8.0, pixel_pitch_m=12e-6, image_width_px=320),
            _camera(518.9 / 2),
            (1.0, 1.5, 2.5, 4.0, 6.0),
            1.05,
            10.0,
        ),
    )
}
