"""The commands of `defocus_training`, one module each: a dataclass `Options` and `run(options) -> exit code`."""
