"""Work that is held in its middle."""

from __future__ import annotations

import threading

import pytest
import torch

from harness.compress.layers.course import Course


def here() -> Course:
    course = threading.current_thread()
    assert isinstance(course, Course)
    return course


def test_it_runs_only_while_it_is_waited_for() -> None:
    seen: list[str] = []

    def work() -> None:
        seen.append("a")
        here().pause("first")
        seen.append("b")
        here().pause("second")
        seen.append("c")

    course = Course(work)
    assert seen == []
    assert course.resume() == "first"
    assert seen == ["a"]
    assert course.resume() == "second"
    assert seen == ["a", "b"]
    assert course.resume() is None
    assert seen == ["a", "b", "c"]
    assert not course.is_alive()


def test_an_error_comes_out_where_it_is_waited_for() -> None:
    def work() -> None:
        here().pause("first")
        raise ZeroDivisionError("in the middle")

    course = Course(work)
    course.resume()
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        course.resume()
    assert not course.is_alive()
    course.close()


def test_one_that_is_closed_unwinds_and_ends() -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            here().pause("first")
        except Exception:  # must not hold it up
            seen.append("caught")
        finally:
            seen.append("unwound")

    course, never_begun = Course(work), Course(work)
    course.resume()
    course.close()
    never_begun.close()
    assert seen == ["unwound"]
    assert not course.is_alive()


def test_what_torch_keeps_by_thread_stays_inside() -> None:
    seen: list[bool] = []

    def work() -> None:
        with torch.no_grad():
            here().pause("inside")
            seen.append(torch.is_grad_enabled())

    course = Course(work)
    course.resume()
    assert torch.is_grad_enabled()
    course.resume()
    assert seen == [False]
