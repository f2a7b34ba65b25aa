"""A stack as a rosbag: what a camera and a lens would have published, for players that know no stack folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from defocus_depth.evaluation.bags.reader import RecordedMessage, RecordedTopic
from defocus_depth.evaluation.bags.standard import (
    CAMERA_INFO,
    IMAGE,
    JOINT_STATE,
    camera_info,
    header,
    image,
    lens_state,
)
from defocus_depth.evaluation.bags.writer import new_bag
from defocus_depth.stacks import load_image
from defocus_depth.types import FocalStack, ImageArray, Transfer

from .measures import encoded_pixels, linear_pixels

FRAME_ID = "camera_optical_frame"
_TOPICS = {"/camera_info": CAMERA_INFO, "/lens_state": JOINT_STATE, "/image": IMAGE}


def write_stack_bag(path: Path, stack: FocalStack) -> None:
    """Write the frames in the order they were taken to one .mcap file; lens_state only where distances are known.

    Frames become 8 bits with sRGB's transfer function, as which nodes read rgb8 and mono8; linear mono frames of 16
    bits stay, as mono16.

    Raises:
        ConfigError: the file cannot be written.
        StackError, ImageError: a frame cannot be read.
    """
    order = sorted(range(len(stack.frames)), key=lambda index: stack.frames[index].stamp_ns or index)
    with new_bag(path, overwrite=True) as bag:  # what is there was made of a stack of this name, too
        for name, kind in _TOPICS.items():
            bag.add_topic(RecordedTopic(name, kind))
        for index in order:
            for message in _messages(stack, index):
                bag.write(message)


def _eight_bit(pixels: ImageArray, transfer: Transfer) -> ImageArray:
    if pixels.dtype == np.uint8 and transfer == "srgb":
        return pixels
    return encoded_pixels(linear_pixels(pixels, transfer), "srgb", np.uint8)


def _messages(stack: FocalStack, index: int) -> list[RecordedMessage]:
    frame = stack.frames[index]
    stamp_ns = index if frame.stamp_ns is None else frame.stamp_ns
    head = header(stamp_ns, FRAME_ID)
    contents = {"/camera_info": camera_info(head, stack.camera)}
    if stack.metric:
        contents["/lens_state"] = lens_state(head, frame.focus_distance_m)
    pixels = load_image(stack, index)
    if pixels.ndim == 2 and pixels.dtype == np.uint16 and stack.transfer == "linear":
        contents["/image"] = image(head, pixels, "mono16")
    else:
        contents["/image"] = image(head, _eight_bit(pixels, stack.transfer), "rgb8" if pixels.ndim == 3 else "mono8")
    return [RecordedMessage(topic, stamp_ns, cdr) for topic, cdr in contents.items()]
