import cv2
import numpy as np

from defocus_depth.ros.colors import COLORMAPS, depth_colors


def test_colours_are_even_in_dioptres_clamped_at_the_range_and_black_where_unknown() -> None:
    depth = np.array([[0.5, 0.1, 2.0, np.inf, np.nan, 0.8]], np.float32)  # 0.8 m is 1.25 dpt: half way from 2 to 0.5
    colors = depth_colors(depth, 0.5, 2.0, "viridis")
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], cv2.COLORMAP_VIRIDIS)[0]
    np.testing.assert_array_equal(colors[0], [table[255], table[255], table[0], table[0], (0, 0, 0), table[128]])


def test_every_map_in_the_table_exists_and_differs() -> None:
    depth = np.linspace(0.3, 3, 64, dtype=np.float32)[None]
    pictures = {depth_colors(depth, 0.3, 3, name).tobytes() for name in COLORMAPS}
    assert len(pictures) == len(COLORMAPS)
