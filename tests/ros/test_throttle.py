from defocus_depth.ros.throttle import _MAX_KINDS, Throttle


def test_texts_that_differ_in_numbers_only_pass_once_per_period() -> None:
    now = [0.0]
    throttle = Throttle(5.0, lambda: now[0])
    assert throttle.passes("step: expected 1920, got 12")
    assert not throttle.passes("step: expected 1920, got 13")
    assert throttle.passes("unknown encoding")
    now[0] = 5.0
    assert throttle.passes("step: expected 1920, got 14")


def test_a_source_of_ever_new_texts_does_not_fill_the_memory() -> None:
    throttle = Throttle(5.0, lambda: 0.0)
    for length in range(3 * _MAX_KINDS):
        assert throttle.passes("x" * (length + 1))
    assert len(throttle._said) <= _MAX_KINDS
