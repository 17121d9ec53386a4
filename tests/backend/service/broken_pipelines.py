"""A worker that cannot warm up, as with a broken installation."""

from tiny_pipelines import KINDS, PIPELINES

__all__ = ["KINDS", "PIPELINES", "warm"]


def warm() -> str:
    raise ImportError("a library is broken")
