"""`defocus_training`: the offline command line. Importing it loads no torch."""

from __future__ import annotations

import sys

from defocus_depth.commands.dispatch import Command, main

_HERE = "defocus_training.commands"
_CAPTURE, _TRAINING, _GRAPHS = "capture", "training", "cpu,tensorrt-rtx"  # extras that bring what a command imports
COMMANDS = {
    "capture": Command(f"{_HERE}.capture", "Capture focal stacks with the robot's own camera and lens.", _CAPTURE),
    "calibrate": Command(
        f"{_HERE}.calibrate", "Calibrate the lens: focus scale, blur gain, intrinsics; print the chart.", _CAPTURE
    ),
    "pool": Command(f"{_HERE}.pool", "Make procedural stacks for training ahead of time.", _TRAINING),
    "synthesize": Command(f"{_HERE}.synthesize", "Write synthetic focal stacks with ground truth.", _TRAINING),
    "import-stack": Command(
        f"{_HERE}.import_stack", "Make a focal stack of pictures, focus distances unknown.", _TRAINING
    ),
    "fit": Command(
        f"{_HERE}.fit", "Fit focal stacks without labels: Gaussians, depth, all-in-focus picture.", _TRAINING
    ),
    "stack-pool": Command(
        f"{_HERE}.stack_pool", "Make a training pool of fitted focal stacks, to refine on.", _TRAINING
    ),
    "train": Command(f"{_HERE}.train", "Train SDNet and DepthNet.", _TRAINING),
    "average": Command(f"{_HERE}.average", "Average the weights of two models of one training.", _TRAINING),
    "export": Command(f"{_HERE}.export", "Write a checkpoint as ONNX with its sidecar.", _TRAINING),
    "quantise": Command(f"{_HERE}.quantise", "Make fp16 and int8 variants of a model, with their accuracy.", _GRAPHS),
}


def run() -> None:
    """Entry point of the `defocus_training` executable."""
    sys.exit(main("defocus_training", COMMANDS))


if __name__ == "__main__":
    run()
