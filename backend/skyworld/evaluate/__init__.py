"""Measures of pictures and worlds, with the exact definitions that papers of this field print.

`measure(["ssim", "niqe"], pictures, references=..., weights=folder)` is the whole interface; `METRICS` lists what there
is, each with its definition, what it needs and which way is better. What cannot be measured is `Skipped` with a reason,
never replaced by something else. Numbers of a world folder are in `skyworld.evaluate.fidelity`.
"""

from skyworld.evaluate.registry import METRICS, Metric, Skipped, Weights, measure

__all__ = ["METRICS", "Metric", "Skipped", "Weights", "measure"]
