"""What every reader and writer of splat files does: map the file, doubt its header, tell what is lost."""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from skyworld.errors import UserError
from skyworld.splats.gaussians import NAMES, Gaussians

# Rows that are decoded or encoded at once: small enough for the cache, large enough for vector code.
CHUNK = 1 << 15
# Real splats are near noise and shrink by less than 20. Below _HARMLESS decoded bytes nobody needs protection.
_HARMLESS = 64 << 20
_RATIO = 250


class FormatLoss(UserWarning):
    """A file keeps less than the Gaussians had, or a reader left something out."""


def mapped(path: Path | str) -> np.memmap:
    """The bytes [size] uint8 of a file, read-only and paged in on demand. Raises UserError where there are none."""
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise UserError("is empty", file=path, hint="Copy or export it again")
        return np.memmap(path, np.uint8, "r")
    except FileNotFoundError:
        raise UserError("there is no such file", file=path, hint="Check the name") from None
    except OSError as error:
        raise UserError(
            f"cannot be read ({error.strerror})", file=path, hint="Check that it is a readable file"
        ) from None


def arrays(gaussians: Gaussians) -> SimpleNamespace:
    """The five columns as numpy arrays under their names; they share the tensors' memory on the CPU."""
    return SimpleNamespace(**{name: getattr(gaussians, name).detach().cpu().numpy() for name in NAMES})


def slices(count: int, step: int = CHUNK) -> Iterator[slice]:
    """Consecutive slices that cover `count` rows."""
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


@contextmanager
def behind(consume: Callable) -> Iterator[Callable]:
    """put(data): has a thread `consume` it while the next is made. Returns when the data before it is consumed."""
    with ThreadPoolExecutor(1, "behind") as thread:
        last = thread.submit(int)

        def put(data) -> None:
            nonlocal last
            last.result()
            last = thread.submit(consume, data)

        yield put
        last.result()


def refuse_promise(path: Path | str, what: str, promised: int, found: int, ratio: int = _RATIO) -> None:
    """Raises UserError where `found` bytes cannot honestly decode to `promised` bytes: before memory is taken."""
    if promised > max(_HARMLESS, ratio * found):
        raise UserError(
            f"its header promises {what}, which its {found:,} bytes cannot hold",
            file=path,
            hint="The file is damaged or hostile; get it again from its source",
        )


def truncated(path: Path | str, what: str) -> UserError:
    return UserError(f"ends before {what} is complete", file=path, hint="Copy or download it again")


@contextmanager
def damaged(path: Path | str, what: str, *errors: type[Exception]) -> Iterator[None]:
    """Turns what a library raises on broken data (`errors`) into a UserError about `path`."""
    try:
        yield
    except errors as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UserError(f"{what} is damaged ({reason})", file=path, hint="Copy or export the file again") from error


def allocated(count: int, degree: int, path: Path | str) -> Gaussians:
    """Uninitialised Gaussians on the CPU for a reader to fill. Raises UserError for none, or more than memory holds."""
    if count == 0:
        raise UserError("holds no Gaussians", file=path, hint="Choose another file")
    harmonics = (degree + 1) ** 2
    try:
        return Gaussians(
            torch.empty(count, 3),
            torch.empty(count, 3),
            torch.empty(count, 4),
            torch.empty(count),
            torch.empty(count, harmonics, 3),
        )
    except RuntimeError as error:  # what torch says where the system gives no more memory
        gigabytes = count * (11 + 3 * harmonics) * 4 / 2**30
        raise UserError(f"its {count:,} Gaussians need {gigabytes:.1f} GB of memory", file=path) from error


def validated(gaussians: Gaussians, path: Path | str, drop_invalid: bool = False) -> Gaussians:
    """The Gaussians that are finite. Raises UserError that names and counts the others, unless they may be dropped."""
    found = gaussians.non_finite()
    if found is None:
        return gaussians
    bad, problem = found
    if not drop_invalid:
        raise UserError(problem, file=path, hint="`skyworld convert --drop-broken` leaves them out")
    if bad.all():
        raise UserError("every Gaussian in it has NaN or infinite values", file=path, hint="Choose another file")
    told(f"{path}: {int(bad.sum()):,} of {len(bad):,} Gaussians have NaN or infinite values and were left out.")
    return gaussians.mapped(lambda column: _compacted(column, ~bad))


def _compacted(column: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """column[keep], made in its own memory."""
    end = 0
    for part in slices(len(column)):
        rows = column[part][keep[part]]
        column[end : end + len(rows)] = rows
        end += len(rows)
    return column[:end]


def refuse_unwritable(gaussians: Gaussians, path: Path | str) -> None:
    """Raises UserError where there is nothing to write, or NaN and infinite values that no quantised format holds."""
    if len(gaussians) == 0:
        raise UserError("there are no Gaussians to write", file=path, hint="Choose an object that has some")
    if found := gaussians.non_finite():
        raise UserError(found[1], file=path, hint="Remove those Gaussians, or take them from before the damage")


def told(sentence: str) -> None:
    """Issues a FormatLoss warning from the caller of the reader or writer."""
    warnings.warn(sentence, FormatLoss, stacklevel=4)


@dataclass
class Losses:
    """What a writer could not keep, told as one FormatLoss warning when it is done."""

    path: Path | str
    clamped: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def clamp(self, name: str, values: np.ndarray, low: float, high: float) -> np.ndarray:
        """values [n, ...] within low..high; counts the rows that had to move by more than rounding."""
        slack = 1e-6 * (high - low)
        if values.min() < low or values.max() > high:
            outside = (values < low - slack) | (values > high + slack)
            count = self.clamped.get(name, (0, low, high))[0] + int(outside.reshape(len(values), -1).any(1).sum())
            self.clamped[name] = (count, low, high)
            return np.clip(values, low, high)
        return values

    def tell(self) -> None:
        parts = [f"{name} left out" for name in self.dropped]
        parts += [
            f"{name} of {count:,} Gaussians clamped to {low:g} .. {high:g}"
            for name, (count, low, high) in self.clamped.items()
        ]
        if parts:
            told(f"{self.path}: this format cannot hold everything: {'; '.join(parts)}.")


def columns_named(names) -> str:
    """`the extra columns a, b` for a message; empty where there are none."""
    names = list(names)
    return f"the extra column{'s' * (len(names) > 1)} {', '.join(names)}" if names else ""
