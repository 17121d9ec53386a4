"""The world folder and the files that go into it."""

from skyworld.world.files import atomic_write, digest
from skyworld.world.folder import World

__all__ = ["World", "atomic_write", "digest"]
