"""Keep linear algebra on one thread where matrices are small.

Thousands of products of matrices of some dozen rows spend their time waking threads: on two cores the fit of the choice model
took ten times as long with the default two threads as with one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

__all__ = ["one_thread", "one_torch_thread"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def one_thread(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run a function with linear algebra on one thread, and restore the setting afterwards."""

    @wraps(function)
    def limited(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Keep torch on one thread, with which the same numbers come out on any number of cores; restore the setting afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
