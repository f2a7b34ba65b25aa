"""SDNet and DepthNet: one image to |CoC|, then image, |CoC| and lens to inverse depth."""

from .depthnet import DepthNet, InverseDepth
from .model import DefocusModel, ModelOptions, ModelOutput
from .sdnet import Defocus, SDNet

__all__ = ["Defocus", "DefocusModel", "DepthNet", "InverseDepth", "ModelOptions", "ModelOutput", "SDNet"]
