"""How well heights are measured: three real satellite images against another program's heights, a city against truth.

    .venv/bin/python benchmarks/height.py                                    # ../shared/data/satellite_triplet
    .venv/bin/python benchmarks/height.py --scene CITY --truth CITY/truth/dsm.npz

The first takes a scene through `satellite prepare` (the area of the reference) and `satellite height` and compares the
GeoTIFF with dsm_reference.tif. The second measures a scene that is prepared already, such as
`benchmarks/scenes/city.py` makes. Registered by a shift east, north, up; nothing is masked; `steep` is over 45 degrees.
Cells that the reference does not know are not judged. --pictures DIR writes relief and error as pictures.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from skyworld.evaluate.dsm import DsmScore, on_grid_of, score_dsm, shifted
from skyworld.parameters import SatelliteHeightParameters, SatellitePrepareParameters
from skyworld.satellite.height import measure_heights
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.prepare import prepare
from skyworld.satellite.relief import relief, write_jpeg

TRIPLET = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "satellite_triplet"


def timed(reports) -> tuple[float, float]:
    """Seconds that a job takes: of the clock, and of all cores together."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in reports:
        pass
    return time.perf_counter() - wall, time.process_time() - cpu


def area_of(path: Path) -> tuple[float, float, float, float]:
    import rasterio
    from rasterio.warp import transform_bounds

    with rasterio.open(path) as raster:
        west, south, east, north = transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
    return south, west, north, east


def triplet(folder: Path, work: Path):
    """Score, seconds and the maps of the three Pleiades images."""
    reference = folder / "dsm_reference.tif"
    images = [folder / f"img_0{number}.tif" for number in (1, 2, 3)]
    options = SatellitePrepareParameters(images=images, output=work / "scene", area=area_of(reference))
    seconds = {"prepare": timed(prepare(options))}
    heights = SatelliteHeightParameters(scene=work / "scene", output=work / "dsm.tif")
    seconds["height"] = timed(measure_heights(heights))
    found, truth, cell = on_grid_of(work / "dsm.tif", reference)
    return score_dsm(found, truth, cell), seconds, (found, truth, cell)


def of_scene(scene: Path, truth_path: Path, work: Path):
    """The same for a scene without a place on Earth, whose truth is a height map in its own frame."""
    heights = SatelliteHeightParameters(scene=scene, output=work / "dsm.npz")
    seconds = {"height": timed(measure_heights(heights))}
    truth = HeightMap.read(truth_path)
    found = HeightMap.read(work / "dsm.npz").sample(*truth.centres())
    return score_dsm(found, truth.up, truth.cell, reach=1.0), seconds, (found, truth.up, truth.cell)


def table(score: DsmScore, seconds: dict) -> str:
    rows = ["           median    MAE   RMSE   <1 m   <2 m  known   cells"]
    for name, part in (("all", score), ("steep", score.steep)):
        if part:
            shares = " ".join(f"{100 * value:5.1f}%" for value in (part.within_1, part.within_2, part.known))
            rows.append(f"{name:8s} {part.median:7.3f} {part.mae:7.3f} {part.rmse:6.2f} {shares} {part.cells:8d}")
    moved = score.registration
    rows.append(f"moved by {moved.east:+.3f} m east, {moved.north:+.3f} m north, {moved.up:+.3f} m up")
    rows += [f"{name}: {wall:.0f} s of the clock, {cpu:.0f} s of all cores" for name, (wall, cpu) in seconds.items()]
    return "\n".join(rows)


def pictures(folder: Path, score: DsmScore, maps) -> None:
    """relief.jpg: measured and reference in the same colours; error.jpg: grey is none, white 2 m too high."""
    found, truth, cell = maps
    known = np.isfinite(truth)
    limits = tuple(np.percentile(truth[known], (1, 99)))
    moved = shifted(found, score.registration.east / cell, score.registration.north / cell) + score.registration.up
    error = np.nan_to_num(np.clip((moved - truth) / 4 + 0.5, 0, 1))
    write_jpeg(folder / "relief.jpg", np.hstack([relief(moved, cell, limits), relief(truth, cell, limits)]))
    write_jpeg(folder / "error.jpg", np.repeat(np.round(error * 255).astype(np.uint8)[..., None], 3, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--triplet", type=Path, default=TRIPLET)
    parser.add_argument("--scene", type=Path, help="a prepared scene in place of the triplet")
    parser.add_argument("--truth", type=Path, help="its exact heights (.npz)")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path, help="write the numbers there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        if asked.scene:
            score, seconds, maps = of_scene(asked.scene, asked.truth, Path(work))
        else:
            score, seconds, maps = triplet(asked.triplet, Path(work))
    print(table(score, seconds))
    if asked.pictures:
        pictures(asked.pictures, score, maps)
    if asked.json:
        asked.json.write_text(json.dumps({"score": score.to_json(), "seconds": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
