"""From a captured focal stack to Gaussians, depth, all-in-focus picture and confidence, without labels."""
