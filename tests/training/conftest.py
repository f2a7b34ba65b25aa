"""A tiny pool of procedural stacks, made once."""

from pathlib import Path

import pytest

from defocus_training.data.pool import fill_pool
from defocus_training.data.procedural import ProceduralOptions


@pytest.fixture(scope="session")
def pool_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of three small stacks."""
    folder = tmp_path_factory.mktemp("pool")
    options = ProceduralOptions(size_px=72, frames=4, largest_coc_px=24.0, nearest_px=(8.0, 18.0))
    list(fill_pool(folder, range(3), options, [], stacks_per_shard=3))
    return folder
