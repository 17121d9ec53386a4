"""The benchmark of the checkpoints runs, here with tiny ones on the CPU."""

import json
import runpy
import sys

import pytest
import torch

OPTIONS = ["--tiny", "--side", "64", "--steps", "2", "--pieces", "1", "--profiles", "24gb"]


@pytest.fixture(scope="module")
def rows(root, tmp_path_factory) -> list[dict]:
    file = tmp_path_factory.mktemp("benchmark") / "rows.json"
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["models.py", *OPTIONS, "--only", "flux2-klein-4b", "z-image-turbo", "--json", str(file)]
        )
        patch.syspath_prepend(root / "benchmarks")
        runpy.run_path(str(root / "benchmarks/models.py"), run_name="__main__")
    torch.set_num_threads(threads)
    return json.loads(file.read_text())["rows"]


def test_each_row_tells_what_was_run_and_what_it_cost(rows):
    assert {row["role"] for row in rows} == {"inpainter", "text_to_image"}
    assert len(rows) == len({(row["role"], row["settings"]) for row in rows})
    for row in rows:
        assert not row["error"]
        assert row["floor"] == pytest.approx(row["passes"] * row["bare"])
        assert row["seconds"] > row["text"] > 0 and row["vae"] > 0
    views = next(row for row in rows if row["role"] == "inpainter")
    assert views["passes"] == 2 * views["pieces"]
