"""Jobs ask for more at each attempt."""

from gendmr.config.resources import double_per_attempt


def test_each_attempt_asks_for_twice_as_much():
    memory = double_per_attempt(3000)
    assert [memory(None, attempt) for attempt in (1, 2, 3)] == [3000, 6000, 12000]
