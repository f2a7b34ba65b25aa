"""`defocus_training`: the offline command line. Importing it loads no torch."""

from __future__ import annotations

import sys

from defocus_depth.commands.dispatch import Command, main

_HERE = "defocus_training.commands"
COMMANDS = {
    "capture": Command(f"{_HERE}.capture", "Capture focal stacks with the robot's own camera and lens."),
    "calibrate": Command(
        f"{_HERE}.calibrate", "Calibrate the lens: focus scale, blur gain, intrinsics; print the chart."
    ),
    "pool": Command(f"{_HERE}.pool", "Make procedural stacks for training ahead of time."),
    "synthesize": Command(f"{_HERE}.synthesize", "Write synthetic focal stacks with ground truth."),
    "import-stack": Command(f"{_HERE}.import_stack", "Make a focal stack of pictures, focus distances unknown."),
    "fit": Command(f"{_HERE}.fit", "Fit focal stacks without labels: Gaussians, depth, all-in-focus picture."),
    "stack-pool": Command(f"{_HERE}.stack_pool", "Make a training pool of fitted focal stacks, to refine on."),
    "train": Command(f"{_HERE}.train", "Train SDNet and DepthNet."),
    "average": Command(f"{_HERE}.average", "Average the weights of two models of one training."),
    "export": Command(f"{_HERE}.export", "Write a checkpoint as ONNX with its sidecar."),
    "quantise": Command(f"{_HERE}.quantise", "Make fp16 and int8 variants of a model, with their accuracy."),
}


def run() -> None:
    """Entry point of the `defocus_training` executable."""
    sys.exit(main("defocus_training", COMMANDS))


if __name__ == "__main__":
    run()
