"""Classical methods that a learned one has to beat: a constant, depth from focus, single-image edge blur."""

from .constant import median_depth_m
from .depth_from_focus import DepthFromFocusConfig, depth_from_focus
from .zhuo_sim import ImageBlur, ZhuoSimConfig, zhuo_sim_depth

__all__ = ["DepthFromFocusConfig", "ImageBlur", "ZhuoSimConfig", "depth_from_focus", "median_depth_m", "zhuo_sim_depth"]
