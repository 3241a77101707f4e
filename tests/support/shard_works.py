"""Jobs for the tests of shards; workers import them by their path."""

import os
import signal
import time


def count(port, *, upto, number=0):
    """Hand over the numbers from 0, and return who counted."""
    for step in range(upto):
        port.hand_over((number, step))
    return number


def sum_of_all(port, *, mine, rounds):
    """Tell a number in each round, and add what is answered."""
    total = 0
    for _ in range(rounds):
        total += port.ask(mine)
    return total


def fail(port, *, after):
    """Break after some steps."""
    for step in range(after):
        port.hand_over(step)
    raise KeyError("missing")


def fall(port, *, after, mark):
    """Kill this process after some steps, the first time."""
    for step in range(after):
        port.hand_over(step)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "whole"


def hang(port, *, mark):
    """Write down who this is, and never end."""
    mark.write_text(str(os.getpid()))
    port.hand_over("here")
    time.sleep(600)
