"""Makes worlds from photographs and measures them: time of each stage, fidelity, seam, coverage.

.venv/bin/python benchmarks/world.py PHOTO... [--quality standard] [--out FOLDER] [--json FILE]
"""

import argparse
import json
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

from skyworld.evaluate.fidelity import report
from skyworld.parameters import WorldParameters
from skyworld.recipe import generate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--quality", default="standard")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="keep the worlds here")
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    results = {"command": " ".join(sys.argv), "machine": platform.processor() or platform.machine(), "worlds": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for photo in arguments.photos:
            folder = (arguments.out or Path(scratch)) / photo.stem
            parameters = WorldParameters(photo=photo, output=folder, quality=arguments.quality, device=arguments.device)
            start = time.monotonic()
            for _ in generate(parameters):
                pass
            row = {"all seconds": time.monotonic() - start, **report(folder)}
            results["worlds"][photo.name] = row
            print(photo.name)
            for name, value in row.items():
                print(f"  {name:<36} {value:.3f}" if isinstance(value, float) else f"  {name:<36} {value}")
    results["peak GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {results['peak GiB']:.2f} GiB")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
