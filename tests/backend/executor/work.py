"""What the executors are given to do; a module of its own, so that other processes find it."""

import os
import time

import numpy as np

from skyworld.errors import UserError


def noise(scale: float, seed: int) -> np.ndarray:
    return scale * np.random.default_rng(seed).standard_normal(4)


def slower_first(setup: float, piece: int) -> tuple[int, int]:
    """The first pieces take longest: they end last."""
    time.sleep(setup * (3 - piece))
    return piece, os.getpid()


def refusing(setup: str, piece: int) -> int:
    if piece == 2:
        raise UserError(f"{setup} will not", file="x.png", hint="Try another")
    return piece
