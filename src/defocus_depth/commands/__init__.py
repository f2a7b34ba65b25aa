"""The commands of `defocus_depth`, one module each: a dataclass `Options` and `run(options) -> exit code`."""
