"""Seconds and GPU memory of the panorama's models in each profile, with full-size architectures and random weights.

    python benchmarks/models.py --json benchmarks/results/models_h200.json
    python benchmarks/models.py --profiles 8gb --only flux2-klein-4b sdxl-inpainting
    python benchmarks/models.py --tiny --side 64 --steps 2 --only flux2-klein-4b     (whether it runs; on the CPU)

Nothing is downloaded; where the backend is not installed, PYTHONPATH=backend finds it. A row takes up to about a
minute of an H200, Qwen-Image-Edit's longer and 60 GB of the computer's memory. Each row is printed, and the file
written, as soon as it is there; `--only` and `--profiles` choose rows, and the file keeps those of earlier runs.

A row is a checkpoint in a role, held as its profile says, the allocator capped to the profile's memory (10^9 bytes a
gigabyte: the rest of a card's is taken by the driver). Inpainters complete the views of the anchored schedule at
1024 px; text-to-image models go over the twelve views of the refinement, for three tenths of their steps. `seconds` is
all of it: reading the prompts, and per view everything that the adapter does. Steps beyond eight are not run: two views
of four and eight steps tell the cost of one (`measured`), and `seconds` is scaled. `floor` is the number of
denoiser passes times one bare pass, timed in the same process on the same inputs with all weights resident in
bfloat16 and no cap; `vae` are the VAE's seconds, which the floor has not.
"""

import argparse
import gc
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import full_size  # finds `tiny`, beside the tests
import numpy as np
import tiny
import torch

from skyworld.models import profiles
from skyworld.models.checkpoints.architectures import INPAINT, TEXT_TO_IMAGE
from skyworld.models.checkpoints.diffusion import of_same_parts
from skyworld.models.checkpoints.inpaint import DiffusionInpainter
from skyworld.models.checkpoints.text_to_image import DiffusionTextToImage
from skyworld.models.checkpoints.vram import narrow
from skyworld.models.roles import InpaintView, Provenance
from skyworld.models.settings import Settings
from skyworld.panorama import schedule

PROMPTS = [
    "A quiet alpine valley at dusk, warm light, long shadows, mist over the meadows",
    "A clear sky with a few high clouds, warm near the horizon; a quiet valley at dusk",
    "A mown meadow with stones and short flowers; a quiet valley at dusk, warm light",
]
NEGATIVE = "people, text, frame, blur"
LIMITS = {profile.name: profile.vram_gb for profile in profiles.profiles().values()}
THRIFTY = Settings(quantisation="fp8", offload="model", tiled=True)
ELSE = [  # what no profile has by itself, but can be chosen in it
    ("8gb", "inpainter", "sd2-inpainting", Settings()),
    ("8gb", "inpainter", "sdxl-inpainting", Settings()),
    ("8gb", "inpainter", "sdxl-inpainting", Settings(offload="model", tiled=True)),
    ("8gb", "inpainter", "flux2-klein-4b", THRIFTY),
    ("8gb", "text_to_image", "flux2-klein-4b", THRIFTY),
    ("8gb", "text_to_image", "z-image-turbo", THRIFTY),
    ("16gb", "inpainter", "flux2-klein-4b", Settings(quantisation="fp8")),
    ("16gb", "inpainter", "flux1-fill", THRIFTY),
    ("24gb", "inpainter", "qwen-image-edit-2511", THRIFTY),
    ("24gb", "inpainter", "qwen-image-edit-2511", replace(THRIFTY, offload="group")),
]
TINY = {  # architecture of the checkpoint -> one of tests/backend/models/tiny.py
    "QwenImageEditPlusPipeline": "QwenImageEditPipeline",
}


@dataclass
class Row:
    profile: str
    role: str
    checkpoint: str
    settings: str
    passes: int = 0  # of the denoiser, in all
    bare: float = 0.0  # seconds of one
    floor: float = 0.0
    seconds: float = 0.0
    ratio: float = 0.0
    text: float = 0.0
    vae: float = 0.0
    peak_gb: float = 0.0
    limit_gb: float = 0.0
    reserved_gb: float = 0.0
    pieces: int = 0  # views
    steps: int = 0
    measured: str = ""
    error: str = ""

    def line(self) -> str:
        if self.error:
            return f"{self.profile:5} {self.role:13} {self.checkpoint:21} {self.settings:24} {self.error}"
        return (
            f"{self.profile:5} {self.role:13} {self.checkpoint:21} {self.settings:24} {self.seconds:8.1f} s "
            f"floor {self.floor:7.1f} ratio {self.ratio:5.2f} | pass {1000 * self.bare:6.0f} ms x {self.passes:4} "
            f"text {self.text:5.2f} vae {self.vae:6.2f} | peak {self.peak_gb:5.1f} of {self.limit_gb:.0f} GB"
        )


class Bench:
    """One device. `clock` waits for it."""

    def __init__(self, device: str, tiny: bool, side: int, steps: int | None, pieces: int):
        self.device, self.tiny, self.side, self.steps, self.pieces = torch.device(device), tiny, side, steps, pieces
        self.dtype = torch.float32 if tiny else torch.bfloat16

    def clock(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def time(self, work: Callable[[], object]) -> float:
        begin = self.clock()
        work()
        return self.clock() - begin

    def cap(self, gigabytes: float | None) -> None:
        gc.collect()
        if self.device.type != "cuda":
            return
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(self.device).total_memory
        torch.cuda.set_per_process_memory_fraction(1.0 if gigabytes is None else gigabytes * 1e9 / total)
        torch.cuda.reset_peak_memory_stats()

    def pipeline(self, checkpoint: str, name: str):
        if not self.tiny:
            return full_size.pipeline(checkpoint, name, self.device, self.dtype)
        known = profiles.checkpoints()[checkpoint].architecture
        return full_size.with_reader(of_same_parts(name, tiny.pipeline(TINY.get(known, known))))

    def run(self, profile: str, role: str, checkpoint: str, settings: Settings) -> Row:
        found = profiles.checkpoints()[checkpoint]
        row = Row(profile, role, checkpoint, words(settings), limit_gb=LIMITS[profile])
        kind, table = {
            "inpainter": (DiffusionInpainter, INPAINT),
            "text_to_image": (DiffusionTextToImage, TEXT_TO_IMAGE),
        }[role]
        architecture = table[found.architecture]
        self.cap(None)
        pipe = self.pipeline(checkpoint, architecture.pipeline)
        provenance = Provenance(role, checkpoint, "random weights", "", builtin=False)
        kind = type(kind.__name__, (kind,), {"_sound": lambda self, picture: picture.nan_to_num(0.5)})

        def adapter(settings: Settings):
            return kind(pipe, architecture, provenance, settings, self.device)

        precision = "float32" if self.tiny else "bfloat16"
        resident = adapter(Settings(precision, steps=1, guidance=settings.guidance))
        row.bare = self.bare(resident, role)
        del resident
        if settings.quantisation == "fp8":
            narrow(*([getattr(pipe, n) for n in names if getattr(pipe, n, None)] for names in PARTS), self.dtype)
        if settings.offload != "none":
            pipe.to("cpu")
        self.cap(LIMITS[profile])
        try:
            held = adapter(replace(settings, precision=precision, quantisation="none"))
            self.measure(row, held, role)
        except torch.OutOfMemoryError:
            row.error = f"does not fit into {LIMITS[profile]:.0f} GB"
        return row

    def bare(self, adapter, role: str) -> float:
        """Seconds of a pass of the denoiser on the inputs of a real call."""
        denoiser = getattr(adapter.pipe, "unet", None) or adapter.pipe.transformer
        seen = []
        handle = denoiser.register_forward_pre_hook(lambda _, a, k: seen.append((a, k)), with_kwargs=True)
        self.piece(adapter, role, 0)
        handle.remove()
        arguments, named = seen[-1]
        with torch.no_grad():
            times = [self.time(lambda: denoiser(*arguments, **named)) for _ in range(7)]
        return statistics.median(times[2:])

    def piece(self, adapter, role: str, number: int) -> None:
        """One view to complete, or one to refine."""
        if role == "inpainter":
            look = schedule.poles()[0] if number % 2 else schedule.horizon()[0]
            rng = np.random.default_rng(number)
            picture = rng.random((self.side, self.side, 3), np.float32)
            unknown = np.zeros((self.side, self.side), bool)
            unknown[:, self.side // 3 :] = True
            prompt = PROMPTS[number % len(PROMPTS)]
            adapter.inpaint(
                InpaintView(picture, unknown, look.camera(self.side), look.region, prompt, number, NEGATIVE)
            )
        else:
            picture = np.full((self.side, self.side, 3), 0.5, np.float32)
            adapter.refine(picture, PROMPTS[number % len(PROMPTS)], strength=0.3, seed=number, negative=NEGATIVE)

    def measure(self, row: Row, adapter, role: str) -> None:
        wanted = self.steps or adapter.step_count
        row.steps = wanted
        plan = schedule.HEURISTICS["anchored"] if role == "inpainter" else schedule.icosahedron()
        row.pieces = sum(isinstance(step, schedule.Look) for step in plan)
        row.text = self.time(lambda: adapter.prepare([(prompt, NEGATIVE) for prompt in PROMPTS]))
        adapter.step_count = 1
        self.piece(adapter, role, 0)  # whatever is set up at the first call
        tried = [wanted] if wanted <= 8 else [4, 8]
        with self.timed(adapter.pipe.vae) as spent:
            self.piece(adapter, role, 0)
        row.vae = row.pieces * sum(spent)
        times, counts = [], []
        for steps in tried:
            adapter.step_count = steps
            found = [self.observed(adapter, role, number) for number in range(self.pieces)]
            times.append(statistics.median(seconds for seconds, _ in found))
            counts.append(found[0][1])
        row.measured = "; ".join(f"{s} steps {t:.2f} s" for s, t in zip(tried, times, strict=True))
        more = (wanted - tried[-1]) / (tried[-1] - tried[0]) if len(tried) > 1 else 0
        whole = [values[-1] + more * (values[-1] - values[0]) for values in (times, counts)]
        row.seconds = row.text + row.pieces * whole[0]
        row.passes = round(row.pieces * whole[1])
        row.floor = row.passes * row.bare
        row.ratio = row.seconds / row.floor
        if self.device.type == "cuda":
            row.peak_gb = torch.cuda.max_memory_allocated() / 1e9
            row.reserved_gb = torch.cuda.max_memory_reserved() / 1e9

    def observed(self, adapter, role: str, number: int) -> tuple[float, int]:
        """Seconds of one piece and its passes of the denoiser."""
        denoiser, passes = getattr(adapter.pipe, "unet", None) or adapter.pipe.transformer, []
        handle = denoiser.register_forward_pre_hook(lambda *_: passes.append(1))
        seconds = self.time(lambda: self.piece(adapter, role, number))
        handle.remove()
        return seconds, len(passes)

    @contextmanager
    def timed(self, vae):
        spent = []
        for name in ("encode", "decode"):
            plain = getattr(vae, name)

            def called(*arguments, plain=plain, **named):
                begin = self.clock()
                result = plain(*arguments, **named)
                spent.append(self.clock() - begin)
                return result

            setattr(vae, name, called)
        try:
            yield spent
        finally:
            del vae.encode, vae.decode


PARTS = (("text_encoder", "text_encoder_2"), ("unet", "transformer"))


def words(settings: Settings) -> str:
    kept = [settings.quantisation, settings.offload, "tiled" if settings.tiled else ""]
    return " ".join(word for word in kept if word not in ("", "none")) or "resident"


def rows_of(args: argparse.Namespace) -> list[tuple]:
    own = [
        (profile.name, role, profile.roles[role].checkpoint.name, profile.roles[role].settings)
        for profile in profiles.profiles().values()
        for role in ("inpainter", "text_to_image")
    ]
    order = list(LIMITS)
    rows = sorted([*own, *ELSE], key=lambda row: order.index(row[0]))
    kept = {(p, r, c, words(s)): (p, r, c, s) for p, r, c, s in rows}
    return [
        row
        for row in kept.values()
        if (not args.only or row[2] in args.only) and (not args.profiles or row[0] in args.profiles)
    ]


def keep(file: Path, done: list[dict], machine: str) -> None:
    """Writes the rows; those of earlier runs that were not run again stay."""

    def key(row: dict) -> tuple:
        return tuple(row[name] for name in ("profile", "role", "checkpoint", "settings"))

    before = json.loads(file.read_text())["rows"] if file.exists() else []
    rows = [row for row in before if key(row) not in {key(each) for each in done}] + done
    file.write_text(
        json.dumps({"command": " ".join(["python", *sys.argv]), "machine": machine, "rows": rows}, indent=1)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="checkpoints of profiles.toml")
    parser.add_argument("--profiles", nargs="+", choices=LIMITS)
    parser.add_argument("--steps", type=int, help="of the denoising, in place of the checkpoint's own")
    parser.add_argument("--pieces", type=int, default=2, help="views measured")
    parser.add_argument("--side", type=int, default=schedule.SIDE, help="pixels of a view")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tiny", action="store_true", help="tiny models on the CPU")
    args = parser.parse_args()
    if not args.tiny and not torch.cuda.is_available():
        parser.error("full-size models need a CUDA GPU; --tiny runs on the CPU")
    if args.tiny:
        torch.set_num_threads(1)
    bench = Bench("cpu" if args.tiny else "cuda", args.tiny, args.side, args.steps, args.pieces)
    machine = platform.processor() if args.tiny else torch.cuda.get_device_name()
    print(f"{machine}, torch {torch.__version__}; {args.side} px views", flush=True)
    done = []
    for row in rows_of(args):
        begin = time.perf_counter()
        found = bench.run(*row)
        done.append(asdict(found) | {"wall": round(time.perf_counter() - begin, 1)})
        print(f"{found.line()}  [{done[-1]['wall']:.0f} s]", flush=True)
        if args.json:
            keep(args.json, done, machine)


if __name__ == "__main__":
    main()
