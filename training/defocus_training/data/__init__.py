"""Training data: procedural focal stacks made on the fly, a pool of them on disk, and augmentation."""
