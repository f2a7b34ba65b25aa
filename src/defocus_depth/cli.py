"""`defocus_depth`: the runtime's command line."""

from __future__ import annotations

import sys

from .commands.dispatch import Command, main

_HERE = "defocus_depth.commands"
COMMANDS = {
    "demo": Command(f"{_HERE}.demo", "Simulated camera and depth node over DDS: pictures and figures in a minute."),
    "estimate": Command(
        f"{_HERE}.estimate", "Depth, circle-of-confusion and confidence maps of images, stacks or videos."
    ),
    "evaluate": Command(f"{_HERE}.evaluate", "Figures against ground truth on a folder of focal stacks."),
    "evaluate-bag": Command(f"{_HERE}.evaluate_bag", "The same figures on the images of a rosbag; no ROS needed."),
    "evaluate-scenario": Command(
        f"{_HERE}.evaluate_scenario", "Rosbags against the conditions of a scenario file: passed or failed, for CI."
    ),
    "compare": Command(f"{_HERE}.compare", "Evaluations of models, backends or commits side by side."),
    "replay": Command(f"{_HERE}.replay", "Play a rosbag into running nodes, or measure the depth node on it."),
    "simulate": Command(f"{_HERE}.simulate", "Write simulated focal stacks with exact depth."),
    "simulate-bag": Command(f"{_HERE}.simulate_bag", "Record the simulated camera to a rosbag; no ROS needed."),
    "build-engine": Command(f"{_HERE}.build_engine", "Build TensorRT engines of a model ahead of time."),
    "bench": Command(f"{_HERE}.bench", "Time the backends side by side on this machine."),
    "doctor": Command(f"{_HERE}.doctor", "Check Python, ROS, DDS, backends and model; say what to fix."),
}


def run() -> None:
    """Entry point of the `defocus_depth` executable."""
    sys.exit(main("defocus_depth", COMMANDS))
