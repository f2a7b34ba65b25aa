"""Path-traced focal stacks: scenes, textures, sensor, renderer; nothing is shared with `defocus_depth.simulation`."""
