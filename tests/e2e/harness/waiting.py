"""Waiting for something to become true: with a deadline, never for a fixed time."""
import time


def until(condition, seconds=20.0, what="it", every=0.01):
    """Returns condition()'s first true value; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise AssertionError(f"still waiting after {seconds:g} s: {text}")
        time.sleep(every)


def stays(condition, seconds, what="it"):
    """condition() holds for all of `seconds`: for the absence of an event there is nothing to wait for but time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"no longer so: {what}"
        time.sleep(0.02)
