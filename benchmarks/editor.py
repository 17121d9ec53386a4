"""Seconds an image and GPU memory of the editor in each profile: full-size architectures, random weights.

    python benchmarks/editor.py --json benchmarks/results/editor_h200.json
    python benchmarks/editor.py --profiles 16gb --only flux1-dev
    python benchmarks/editor.py --tiny --side 64                     (whether it runs; on the CPU)

Nothing is downloaded; where the backend is not installed, PYTHONPATH=backend finds it. Six rows take about two and a
half minutes of an H200. Each row is printed, and the file written, as soon as it is there.

A row is a checkpoint held as its profile says (or as it can be chosen in it), the allocator capped to the profile's
memory. An image of 1024 px is edited as Skyfall-GS does: 28 steps, the last 10 gone through, the last 4 of them by the
target alone, 16 velocities. `seconds` is the median of three images, prompts read before (`text`, once an episode).
`floor` is the number of the transformer's passes times one bare pass, timed in the same process on the same inputs with
all weights resident in bfloat16 and no cap. `vae` are the VAE's seconds, which the floor has not; `bare_ratio` is the
ratio without them.
"""

import argparse
import platform
import statistics
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import models  # the benchmark beside this one
import numpy as np
import torch

from skyworld.models import profiles
from skyworld.models.checkpoints.architectures import EDIT
from skyworld.models.checkpoints.flowedit import FlowEditor
from skyworld.models.checkpoints.vram import narrow
from skyworld.models.roles import EditSchedule, Provenance
from skyworld.models.settings import Settings
from skyworld.satellite.repaint import SOURCE, TARGET

FP8 = Settings(quantisation="fp8", tiled=True)
ROWS = [
    ("16gb", "flux2-klein-4b", profiles.profile("16gb").roles["editor"].settings),
    ("16gb", "z-image-turbo", FP8),
    ("16gb", "flux1-dev", replace(FP8, offload="group")),
    ("24gb", "flux2-klein-4b", profiles.profile("24gb").roles["editor"].settings),
    ("24gb", "z-image-turbo", Settings(offload="model")),
    ("24gb", "flux1-dev", replace(FP8, offload="model")),
]
SCHEDULE = EditSchedule()


@dataclass
class Row:
    profile: str
    role: str
    checkpoint: str
    settings: str
    passes: int = 0
    bare: float = 0.0
    floor: float = 0.0
    seconds: float = 0.0
    ratio: float = 0.0
    bare_ratio: float = 0.0
    text: float = 0.0
    vae: float = 0.0
    peak_gb: float = 0.0
    limit_gb: float = 0.0
    error: str = ""

    def line(self) -> str:
        start = f"{self.profile:5} {self.checkpoint:16} {self.settings:18}"
        if self.error:
            return f"{start} {self.error}"
        return (
            f"{start} {self.seconds:7.2f} s an image, floor {self.floor:6.2f}, ratio {self.ratio:5.2f} "
            f"({self.bare_ratio:.2f} without the VAE) | pass {1000 * self.bare:5.0f} ms x {self.passes:2} "
            f"text {self.text:5.2f} vae {self.vae:5.2f} | peak {self.peak_gb:5.1f} of {self.limit_gb:.0f} GB"
        )


def run(bench: models.Bench, profile: str, checkpoint: str, settings: Settings) -> Row:
    row = Row(profile, "editor", checkpoint, models.words(settings), limit_gb=models.LIMITS[profile])
    architecture = EDIT[profiles.checkpoints()[checkpoint].architecture]
    bench.cap(None)
    pipe = bench.pipeline(checkpoint, architecture.pipeline)
    provenance = Provenance("editor", checkpoint, "random weights", "", builtin=False)
    kind = type("Editor", (FlowEditor,), {"_sound": lambda self, picture: picture.nan_to_num(0.5).clamp(0, 1)})
    precision = "float32" if bench.tiny else "bfloat16"
    picture = np.random.default_rng(0).random((bench.side, bench.side, 3), np.float32)

    def edit(editor, seed: int, schedule: EditSchedule = SCHEDULE) -> None:
        editor.edit(picture, SOURCE, TARGET, seed=seed, schedule=schedule)

    resident = kind(pipe, architecture, provenance, Settings(precision), bench.device)
    row.bare, row.passes = bare(bench, resident, edit)
    row.floor = row.passes * row.bare
    del resident
    if settings.quantisation == "fp8":
        parts = (("text_encoder", "text_encoder_2", "text_encoder_3"), ("transformer",))
        narrow(*([part for n in names if (part := getattr(pipe, n, None))] for names in parts), bench.dtype)
    if settings.offload != "none":
        pipe.to("cpu")
    bench.cap(row.limit_gb)
    try:
        held = kind(
            pipe, architecture, provenance, replace(settings, precision=precision, quantisation="none"), bench.device
        )
        row.text = bench.time(lambda: held.prepare([(SOURCE, ""), (TARGET, "")]))
        edit(held, 0, EditSchedule(2, 1, 2))  # whatever is set up at the first call
        with bench.timed(pipe.vae) as spent:
            edit(held, 0)
        row.vae = sum(spent)
        row.seconds = statistics.median(bench.time(lambda seed=seed: edit(held, seed)) for seed in range(1, 4))
    except torch.OutOfMemoryError:
        row.error = f"does not fit into {row.limit_gb:.0f} GB"
        return row
    row.ratio, row.bare_ratio = row.seconds / row.floor, (row.seconds - row.vae) / row.floor
    if bench.device.type == "cuda":
        row.peak_gb = torch.cuda.max_memory_allocated() / 1e9
    return row


def bare(bench: models.Bench, editor: FlowEditor, edit) -> tuple[float, int]:
    """Seconds of a pass on the inputs of a real one, and how many an image takes."""
    transformer, seen = editor.pipe.transformer, []
    handle = transformer.register_forward_pre_hook(lambda _, a, k: seen.append((a, k)), with_kwargs=True)
    edit(editor, 0)
    handle.remove()
    arguments, named = seen[-1]
    with torch.no_grad():
        times = [bench.time(lambda: transformer(*arguments, **named)) for _ in range(9)]
    return statistics.median(times[2:]), len(seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="checkpoints of profiles.toml")
    parser.add_argument("--profiles", nargs="+", choices=models.LIMITS)
    parser.add_argument("--side", type=int, default=1024, help="pixels of an image")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tiny", action="store_true", help="tiny models on the CPU")
    args = parser.parse_args()
    if not args.tiny and not torch.cuda.is_available():
        parser.error("full-size models need a CUDA GPU; --tiny runs on the CPU")
    if args.tiny:
        torch.set_num_threads(1)
    bench = models.Bench("cpu" if args.tiny else "cuda", args.tiny, args.side, None, 1)
    machine = platform.processor() if args.tiny else torch.cuda.get_device_name()
    print(f"{machine}, torch {torch.__version__}; {args.side} px, {SCHEDULE.passes} velocities an image", flush=True)
    done = []
    for profile, checkpoint, settings in ROWS:
        if (args.only and checkpoint not in args.only) or (args.profiles and profile not in args.profiles):
            continue
        begin = time.perf_counter()
        found = run(bench, profile, checkpoint, settings)
        done.append(asdict(found) | {"wall": round(time.perf_counter() - begin, 1)})
        print(f"{found.line()}  [{done[-1]['wall']:.0f} s]", flush=True)
        if args.json:
            models.keep(args.json, done, machine)


if __name__ == "__main__":
    main()
