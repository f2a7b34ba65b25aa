"""Training of SDNet and DepthNet: configuration, one step, the loop, checkpoints."""
