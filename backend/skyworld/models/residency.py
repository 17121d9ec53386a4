"""Checkpoints that stay loaded between jobs, the longest unused ones put out before the memory is full."""

import functools
import gc
import inspect
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from skyworld.errors import UserError
from skyworld.models.roles import Provenance
from skyworld.models.settings import Settings

GB = 1e9
MEMORY = torch.device("cpu")
WORKING_SHARE = 0.2  # of a GPU is left to activations, the VAE and the fit
GROUP_SHARE = 0.15  # of a part's weights that are on the GPU at once where groups of layers wait in memory


@dataclass(frozen=True)
class Order:
    """A checkpoint as it is to be held.

    load:    makes the adapter with the settings it is given.
    weights: bytes of each part (text encoder, denoiser, ...) at 32 bits a parameter.
    limit:   bytes of GPU memory that the profile counts on, or None.
    """

    provenance: Provenance
    settings: Settings
    device: torch.device
    load: Callable[[Settings], Any] = field(compare=False)
    weights: dict[str, int] = field(compare=False, hash=False)
    limit: float | None = field(compare=False, default=None)

    def needs(self, settings: Settings) -> dict[torch.device, int]:
        """Bytes of weights on the device while it works, and in memory where they wait there."""
        width = 1 if settings.quantisation == "fp8" else 4 if settings.precision == "float32" else 2
        sizes = [size * width // 4 for size in self.weights.values()] or [0]
        if self.device.type == "cpu" or settings.offload == "none":
            return {self.device: sum(sizes)}
        share = 1.0 if settings.offload == "model" else GROUP_SHARE
        return {self.device: int(share * max(sizes)), MEMORY: sum(sizes)}

    def loading(self, settings: Settings) -> dict[torch.device, int]:
        """The same while it is loaded: through the computer's memory, and narrowed to 8 bits only there."""
        width = 4 if settings.precision == "float32" else 2
        through = sum(self.weights.values()) * width // 4 if self.device.type != "cpu" else 0
        needs = self.needs(settings)
        return needs | {MEMORY: max(needs.get(MEMORY, 0), through)}


class Residency:
    """Adapters by their orders, least recently used first."""

    def __init__(self, free: Callable[[torch.device], float] | None = None):
        self._free = free or free_memory
        self._held: OrderedDict[Order, Any] = OrderedDict()
        self._found: dict[Order, Settings] = {}  # with which an order turned out to fit, where not with its own
        self._lock = threading.RLock()

    def hold(self, order: Order) -> "Kept":
        """The adapter, loaded, as an object that loads it again where it was put out meanwhile."""
        return _stand_in(type(self.adapter(order)))(self, order)

    def adapter(self, order: Order) -> Any:
        """Loads it where it is not there. UserError where it would not fit even alone."""
        with self._lock:
            if order not in self._held:
                self._load(order)
            self._held.move_to_end(order)
            return self._held[order]

    def settings(self, order: Order) -> Settings:
        """How it is held, or would be."""
        return self._found.get(order, order.settings)

    def thriftier(self, order: Order) -> Settings | None:
        """Puts everything out and holds this one in the next thriftier setting; None where there is none."""
        with self._lock:
            settings = self.settings(order).thriftier()
            self.clear()
            if settings is not None:
                self._found[order] = settings
            return settings

    def make_room(self, device: torch.device, need: float) -> None:
        """Puts out, longest unused first, until so many bytes of the GPU are free for something else."""
        with self._lock:
            while device.type != "cpu" and self._held and self._free(device) < need:
                self._held.popitem(last=False)
                _collect()

    def clear(self) -> None:
        with self._lock:
            self._held.clear()
            _collect()

    def names(self) -> list[str]:
        """What is loaded, longest unused first."""
        return [order.provenance.name for order in self._held]

    def _load(self, order: Order) -> None:
        """Makes room for it by putting others out, and where that is not enough by holding it thriftier."""
        asked = settings = self.settings(order)
        first = None
        while short := self._short(order, settings):
            first = first or short
            if self._held:
                self._held.popitem(last=False)
                _collect()
                first = None
                continue
            thriftier = settings.thriftier() if short[0] != MEMORY else None
            if thriftier is None:
                hint = "Choose a smaller profile, or close other programs"
                raise UserError(_told_short(order, *first), hint=hint, fix="smaller")
            settings = thriftier
        if settings != asked:
            warnings.warn(f"{_told_short(order, *first)}; it is held with {told(settings)}, slower", stacklevel=4)
            self._found[order] = settings
        self._held[order] = order.load(settings)

    def _short(self, order: Order, settings: Settings) -> tuple[torch.device, int, float] | None:
        """(where, bytes needed, bytes to be had) of what would not fit beside what is held, or None."""
        for device, need in order.loading(settings).items():
            taken = sum(held.needs(self.settings(held)).get(device, 0) for held in self._held)
            room = self._free(device) + taken
            if device != MEMORY:
                room = (1 - WORKING_SHARE) * min(room, order.limit or room)
            if need > room - taken:
                return device, need, room
        return None


def _told_short(order: Order, device: torch.device, need: int, room: float) -> str:
    memory = "memory" if device == MEMORY else "GPU memory"
    return (
        f"{order.provenance.name} needs {need / GB:.1f} GB of {memory} for its weights, "
        f"and {max(room, 0) / GB:.1f} GB can be had"
    )


class Kept:
    """Stands for an adapter: has its attributes and methods, and looks after the memory they need.

    An adapter that was put out is loaded again by the next call. A call that fills the GPU's memory is done
    once more with the next thriftier settings; a warning and `provenance` say so.
    """

    def __init__(self, residency: Residency, order: Order):
        self._residency, self._order = residency, order
        self._begun: tuple | None = None  # what an inpainter's `begin` was told, and which adapter heard it
        self._heard: Any = None

    @property
    def provenance(self) -> Provenance:
        settings = self._residency.settings(self._order)
        if settings == self._order.settings:
            return self._order.provenance
        version = f"{self._order.provenance.version} ({told(settings)}, for the GPU's memory)".strip()
        return replace(self._order.provenance, version=version)

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._residency.adapter(self._order), name)

    def _method(self, name: str) -> Callable:
        adapter = self._residency.adapter(self._order)
        if name != "begin" and self._begun is not None and self._heard is not adapter:
            adapter.begin(*self._begun)
            self._heard = adapter
        return getattr(adapter, name)

    def _thriftier(self) -> None:
        """Held thriftier from now on; a UserError where that cannot be."""
        name = self._order.provenance.name
        settings = self._residency.thriftier(self._order)
        if settings is None:
            hint = "Close other programs, choose a smaller profile or a smaller panorama, and retry"
            problem = f"The GPU's memory is too small for {name}, however thriftily it is held"
            raise UserError(problem, hint=hint, fix="smaller")
        warnings.warn(f"{name} filled the GPU's memory; it goes on with {told(settings)}, slower", stacklevel=4)


def _stand_in(kind: type) -> type[Kept]:
    """`Kept` with the public methods of an adapter's class, so that it passes for one where protocols are looked at."""
    names = [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]
    return type(f"Kept{kind.__name__}", (Kept,), {name: _looked_after(name, getattr(kind, name)) for name in names})


def _looked_after(name: str, method: Callable) -> Callable:
    def call(self: Kept, *arguments, **more):
        if name == "begin":
            self._begun = arguments
        try:
            return self._method(name)(*arguments, **more)
        except torch.OutOfMemoryError:
            pass  # and out of the clause: the error's frames hold the tensors that fill the memory
        self._thriftier()
        return self._method(name)(*arguments, **more)

    def reports(self: Kept, *arguments, **more):
        try:
            yield from self._method(name)(*arguments, **more)
            return
        except torch.OutOfMemoryError:
            pass
        self._thriftier()
        yield from self._method(name)(*arguments, **more)

    return functools.wraps(method)(reports if inspect.isgeneratorfunction(method) else call)


def told(settings: Settings) -> str:
    """Settings in words, as far as they save memory."""
    words = {
        "8-bit weights": settings.quantisation == "fp8",
        "groups of layers off-loaded": settings.offload == "group",
        "idle parts off-loaded": settings.offload == "model",
        "the VAE in tiles": settings.tiled,
    }
    return ", ".join(word for word, said in words.items() if said) or f"{settings.precision} weights"


def free_memory(device: torch.device) -> float:
    """Bytes that can be taken on the device; infinite where the system does not tell."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    system = Path("/proc/meminfo")
    if not system.exists():
        return float("inf")
    told = dict(re.findall(r"(\w+):\s+(\d+)", system.read_text()))
    return 1024 * (int(told["MemAvailable"]) + int(told.get("SwapFree", 0)))


def _collect() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


RESIDENCY = Residency()  # of this process: the worker's adapters outlive a job
