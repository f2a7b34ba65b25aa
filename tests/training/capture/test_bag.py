"""A captured stack as a bag, read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from defocus_depth.messages.decode import decode_image
from defocus_depth.messages.lens_state import lens_state_from
from defocus_depth.optics import to_linear
from defocus_depth.stacks import load_ground_truth, load_image, write_stack
from defocus_training.capture.bag import write_stack_bag


@pytest.mark.parametrize("metric", [True, False])
def test_a_bag_holds_every_frame_with_its_lens_state(
    make_session: Callable[..., Any], bench: Any, tmp_path: Any, metric: bool
):
    (stack,) = make_session(bench, metric=metric)
    write_stack_bag(tmp_path / "scene.mcap", stack)
    with AnyReader([tmp_path / "scene.mcap"]) as reader:
        found: dict[str, list[Any]] = {}
        for connection, _, raw in reader.messages():
            found.setdefault(connection.topic, []).append(reader.deserialize(raw, connection.msgtype))
    assert len(found["/image"]) == len(found["/camera_info"]) == len(stack.frames)
    assert ("/lens_state" in found) is metric
    if metric:
        distances = [lens_state_from(message).focus_distance_m for message in found["/lens_state"]]
        assert distances == [frame.focus_distance_m for frame in stack.frames]
    pixels = decode_image(found["/image"][2]).array
    assert np.abs(pixels.astype(float) - load_image(stack, 2) / 257).max() <= 0.51
    assert found["/camera_info"][0].k[0] == stack.camera.fx


@pytest.mark.parametrize(
    ("transfer", "mono", "encoding"), [("srgb", True, "mono8"), ("linear", True, "mono16"), ("linear", False, "rgb8")]
)
def test_the_encoding_says_the_transfer_function(
    make_session: Callable[..., Any], bench: Any, tmp_path: Any, transfer: Any, mono: bool, encoding: str
):
    """Nodes take mono16 as linear, rgb8 and mono8 as sRGB: radiance must survive."""
    (stack,) = make_session(bench)
    images = [
        load_image(stack, index)[..., 1] if mono else load_image(stack, index) for index in range(len(stack.frames))
    ]
    other = write_stack(
        tmp_path / "other", dataclasses.replace(stack, transfer=transfer), images, load_ground_truth(stack)
    )
    write_stack_bag(tmp_path / "other.mcap", other)
    with AnyReader([tmp_path / "other.mcap"]) as reader:
        messages: list[Any] = [
            reader.deserialize(raw, at.msgtype) for at, _, raw in reader.messages() if at.topic == "/image"
        ]
    decoded = decode_image(messages[0])
    assert decoded.encoding == encoding
    meant, found = (
        to_linear(images[0] / 65535, transfer),
        to_linear(decoded.array / np.iinfo(decoded.array.dtype).max, decoded.transfer),
    )
    assert np.abs(meant - found).max() < 0.006
