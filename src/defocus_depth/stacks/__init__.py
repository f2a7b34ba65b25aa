"""The focal-stack folder (schema 1): what capture writes and everything else reads."""

from .reader import find_stacks, load_ground_truth, load_image, read_stack
from .registration import load_frame_truth, load_registered_image
from .validator import validate_stack
from .writer import write_image, write_stack

__all__ = [
    "find_stacks",
    "load_frame_truth",
    "load_ground_truth",
    "load_image",
    "load_registered_image",
    "read_stack",
    "validate_stack",
    "write_image",
    "write_stack",
]
