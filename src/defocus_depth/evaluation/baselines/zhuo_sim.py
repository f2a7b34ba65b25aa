"""Depth from the blur of edges in one image.

S. Zhuo and T. Sim, "Defocus map estimation from a single image", Pattern Recognition 44(9), 2011. Their matting
Laplacian is replaced by the cheaper colour-similarity weights of Levin et al., "Colorization using Optimization",
SIGGRAPH 2004; everything runs at a working width where blur is a few pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ...optics import inverse_depth_from_coc, to_linear
from ...types import FloatArray, ImageArray, Transfer
from .pixels import luminance

_DIFFERENCE = np.array([[-0.5, 0.0, 0.5]], np.float32)
_DIFFERENCE_VARIANCE_PX2 = 1 / 3  # a central difference is the derivative smoothed by a box 2 px wide: 2²/12
_STRONG, _WEAK = 32000, 0.4  # Canny's int16 range; its lower threshold over its upper one


@dataclass(frozen=True)
class ZhuoSimConfig:
    """How edge blur is measured and spread.

    Attributes:
        working_width_px: images are reduced to this width at most.
        smoothing_px: σ against noise, before everything; taken out of the result again.
        reblur_px: σ0 of the known second blur.
        edge_threshold: least gradient of an edge, of the 99th percentile of all gradients.
        edge_weight: how strongly the filled map is tied to the edges' blur.
        colour_sigma: luminance difference (0..1) over which neighbours stop sharing blur.
        depth_min_m, depth_max_m: estimates are clamped to these.
    """

    working_width_px: int = 320
    smoothing_px: float = 1.0
    reblur_px: float = 1.0
    edge_threshold: float = 0.3
    edge_weight: float = 1.0
    colour_sigma: float = 0.05
    depth_min_m: float = 0.1
    depth_max_m: float = 10.0


@dataclass(frozen=True)
class ImageBlur:
    """Blur of one image: gain G (px per dpt), focus F (dpt), σ/|CoC| of the lens's point spread."""

    gain_px_per_dpt: float
    focus_dpt: float
    psf_kappa: float = 0.25


def zhuo_sim_depth(
    image: ImageArray, blur: ImageBlur, transfer: Transfer = "srgb", config: ZhuoSimConfig | None = None
) -> FloatArray:
    """Dense depth (m), float32 (H, W), from the blur of the edges of one image.

    The sign of the CoC is assumed: the scene lies beyond the focus plane, except when the focus is farther than
    `depth_max_m`, where it lies nearer. Inverse depth is clamped to the configured range.
    """
    config = config or ZhuoSimConfig()
    linear = to_linear(luminance(image), transfer).astype(np.float32)
    scale = min(1.0, config.working_width_px / image.shape[1])
    working = _resized(linear, (round(linear.shape[1] * scale), round(linear.shape[0] * scale)))
    edges, sigma_px = edge_blur_px(working, config)
    limit_px = scale * blur.gain_px_per_dpt * max(abs(blur.focus_dpt - 1 / config.depth_max_m), 1 / config.depth_min_m)
    coc_px = spread(working, edges, np.minimum(sigma_px / blur.psf_kappa, limit_px), config) / scale
    coc_px = _resized(coc_px, (image.shape[1], image.shape[0]))
    side = 1.0 if blur.focus_dpt > 1 / config.depth_max_m else -1.0
    inverse_depth = inverse_depth_from_coc(side * coc_px, blur.gain_px_per_dpt, blur.focus_dpt)
    return (1 / np.clip(inverse_depth, 1 / config.depth_max_m, 1 / config.depth_min_m)).astype(np.float32)


def edge_blur_px(linear: FloatArray, config: ZhuoSimConfig) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Where the edges are, and the σ (px) of the Gaussian that blurs each (inf where too wide to tell); (H, W) each.

    Zhuo and Sim, eq. 5–7: blurring an edge of blur σ again by σ0 divides its gradient by R = √((σ² + σ0²)/σ²).
    Here the variances of the smoothing and of the difference kernel are part of the first blur, and subtracted.
    """
    smooth = _smoothed(linear, config.smoothing_px)
    across, down, gradient = _gradients(smooth)
    *_, reblurred = _gradients(_smoothed(smooth, config.reblur_px))
    strongest = max(float(np.percentile(gradient, 99)), 1e-6)
    to_integer = _STRONG / max(float(gradient.max()), 1e-6)
    upper = config.edge_threshold * strongest * to_integer
    dx, dy = ((part * to_integer).astype(np.int16) for part in (across, down))
    edges = cv2.Canny(dx, dy, _WEAK * upper, upper, L2gradient=True) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        total_px2 = config.reblur_px**2 / ((gradient / reblurred) ** 2 - 1)
    known_px2 = config.smoothing_px**2 + _DIFFERENCE_VARIANCE_PX2
    sigma_px = np.sqrt(np.maximum(total_px2 - known_px2, 0))
    return edges, np.where(total_px2 > 0, sigma_px, np.inf).astype(np.float32)


def spread(guide: FloatArray, edges: npt.NDArray[np.bool_], values: FloatArray, config: ZhuoSimConfig) -> FloatArray:
    """A dense map that keeps to `values` at `edges` and changes where `guide` (0..1) does; zeros without edges.

    Minimises Σ_edges λ·(x − v)² + Σ_neighbours w·(x_i − x_j)² with w = exp(−(g_i − g_j)²/2σ²) (Levin et al., eq. 1–2).
    """
    from scipy.sparse import coo_array, diags_array
    from scipy.sparse.linalg import spsolve

    if not edges.any():
        return np.zeros_like(guide)
    index = np.arange(guide.size).reshape(guide.shape)
    first = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    second = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    weight = _similarity(guide.ravel()[first] - guide.ravel()[second], config.colour_sigma)
    links = coo_array((weight, (first, second)), shape=(guide.size, guide.size))
    links = (links + links.T).tocsr()
    tied = config.edge_weight * edges.ravel().astype(np.float64)
    system = diags_array(links.sum(axis=1) + tied) - links
    wanted = np.where(edges, values, 0).ravel().astype(np.float64)
    solution = np.asarray(spsolve(system.tocsc(), tied * wanted), np.float32)
    return solution.reshape(guide.shape)


def _gradients(image: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    across, down = (np.asarray(cv2.filter2D(image, -1, k), np.float32) for k in (_DIFFERENCE, _DIFFERENCE.T))
    return across, down, np.hypot(across, down)


def _smoothed(image: FloatArray, sigma_px: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.float32)


def _resized(image: FloatArray, size: tuple[int, int]) -> FloatArray:
    shrinks = size[0] < image.shape[1]
    return np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.float32
    )


def _similarity(difference: FloatArray, sigma: float) -> npt.NDArray[np.float64]:
    return np.exp(-(difference.astype(np.float64) ** 2) / (2 * sigma**2)) + 1e-4
