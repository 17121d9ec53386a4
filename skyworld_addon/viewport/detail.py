"""How many splats a view draws while it moves, so that it follows the hand."""

import time

WANTED = 1 / 60  # seconds for a frame in motion
FEWEST = 20_000
STILL = 0.15  # seconds after which a view that stands is drawn whole
TIMED_EVERY = 8  # frames in motion of which one is waited for and timed


class Pace:
    """Measures what drawing costs here, and answers how many splats a frame may have."""

    def __init__(self):
        self.most = None  # splats of a frame in motion; None until one was timed
        self._last, self._stands, self._frames = None, False, 0

    def moves(self, pose, now=None):
        """Whether the view, given by any comparable `pose`, has changed lately."""
        now = time.monotonic() if now is None else now
        if self._last is None or self._last[0] != pose:
            first = self._last is None
            self._last = pose, now if not first else now - STILL
        return now - self._last[1] < STILL

    def is_timed(self):
        """Whether the coming frame in motion is one to be waited for."""
        self._frames += 1
        return self.most is None or self._frames % TIMED_EVERY == 0

    def took(self, seconds, count):
        """A frame of `count` splats took `seconds`; steps of a power of two keep the order that is there."""
        affordable = max(FEWEST, count * WANTED / max(seconds, 1e-6))
        if self.most is None or not 0.5 <= affordable / self.most <= 2.5:
            self.most = 1 << int(affordable).bit_length() - 1
