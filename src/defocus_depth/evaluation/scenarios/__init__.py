"""Scenarios: recordings and the conditions that a release has to meet on them, with a verdict for CI systems."""
