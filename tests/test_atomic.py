import pytest

from defocus_depth.atomic import replacing


def test_takes_the_place_of_the_old_file_when_done(tmp_path):
    target = tmp_path / "new" / "figures.txt"
    for text in ("first", "second"):
        with replacing(target) as partial:
            partial.write_text(text)
            assert partial != target and partial.parent == target.parent
    assert [(path.name, path.read_text()) for path in target.parent.iterdir()] == [("figures.txt", "second")]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "figures.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as partial:
        partial.write_text("half of")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("figures.txt", "old")]
