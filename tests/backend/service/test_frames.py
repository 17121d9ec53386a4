"""Frames for Blender: what was uploaded is what is drawn, also while a job runs."""

import hashlib

import numpy as np
import pytest
import torch

from skyworld.camera import Camera, turned
from skyworld.splats import Gaussians, rasterize
from skyworld.splats.formats.ply import write_ply


@pytest.fixture(scope="module")
def splats(tmp_path_factory):
    """A red blob 2 m in front of the origin and the bytes of its PLY."""
    gaussians = Gaussians(
        means=torch.tensor([[0.0, 2.0, 0.0]]),
        log_scales=torch.full((1, 3), -1.5),
        quats=torch.tensor([[1.0, 0, 0, 0]]),
        logit_opacities=torch.tensor([4.0]),
        sh=torch.tensor([[[1.5, -1.5, -1.5]]]),
    )
    file = tmp_path_factory.mktemp("splats") / "a.ply"
    write_ply(file, gaussians)
    return gaussians, file.read_bytes()


@pytest.fixture
def camera():
    return Camera.pinhole(turned((0, 0, 0)), 1.0, 48, 32)


def upload(backend, data):
    digest = hashlib.sha256(data).hexdigest()
    assert backend.http.put(f"/splats/{digest}", content=data).status_code == 204
    return digest


def view(camera, matrices=((1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1),), **more):
    return {"camera": camera.to_json(), "matrices": [np.ravel(matrix).tolist() for matrix in matrices], **more}


def order(digests, views, layers=("combined", "depth"), background=None):
    return {"splats": digests, "views": views, "layers": layers, "background": background}


def ask(backend, digests, views, layers=("combined", "depth"), background=None):
    """The layers, rows from the top."""
    views = views if isinstance(views, list) else [view(views, [np.eye(4)] * len(digests))]
    answer = backend.http.post("/frames", json=order(digests, views, layers, background))
    assert answer.status_code == 200, answer.text
    height, width = int(answer.headers["X-Height"]), int(answer.headers["X-Width"])
    assert float(answer.headers["X-Seconds"]) > 0
    assert answer.headers["X-How"] == ("in one pass" if digests else "")
    values, pictures = np.frombuffer(answer.content, "<f4"), []
    for name in layers:
        channels = 1 if name == "depth" else 4
        pictures.append(values[: height * width * channels].reshape(height, width, channels)[::-1])
        values = values[height * width * channels :]
    assert values.size == 0
    return pictures


def linear(v):
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def mesh(y, size=5.0):
    """A PLY of a square across the camera's axis at the distance y."""
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 4\nproperty float x\nproperty float y\n"
    head += "property float z\nelement face 2\nproperty list uchar int vertex_indices\nend_header\n"
    corners = np.array([[-size, y, -size], [size, y, -size], [size, y, size], [-size, y, size]], "<f4")
    faces = b"".join(b"\3" + np.array(row, "<i4").tobytes() for row in ((0, 1, 2), (0, 2, 3)))
    return head.encode() + corners.tobytes() + faces


def test_a_frame_is_what_the_rasterizer_draws(backend, splats, camera):
    gaussians, data = splats
    combined, depth = ask(backend, [upload(backend, data)], camera)
    drawn = rasterize(gaussians, [camera])
    alpha = drawn.alpha[0, ..., None].numpy()
    assert np.allclose(combined[..., 3:], alpha, atol=1e-4)
    straight = drawn.colour[0].numpy() / np.maximum(alpha, 1e-6)
    assert np.allclose(combined[..., :3], linear(straight) * alpha, atol=1e-4)
    assert np.allclose(depth[..., 0], drawn.depth[0], atol=1e-3)
    assert depth[16, 24] == pytest.approx(2, abs=0.01) and depth[0, 0] == 0


def test_an_object_is_drawn_where_it_stands_in_the_scene(backend, splats, camera):
    matrix = np.eye(4)
    matrix[:3, 3] = 0, 3, 0
    _, depth = ask(backend, [upload(backend, splats[1])], [view(camera, [matrix])])
    assert depth[16, 24] == pytest.approx(5, abs=0.01)


def test_several_objects_are_drawn_together(backend, splats, camera):
    digest = upload(backend, splats[1])
    one, two = ask(backend, [digest], camera)[0], ask(backend, [digest, digest], camera)[0]
    assert two[..., 3].sum() > one[..., 3].sum()


def test_an_empty_scene_is_an_empty_frame(backend, camera):
    assert not any(layer.any() for layer in ask(backend, [], camera))


def test_the_background_lies_behind(backend, splats, camera):
    combined, _ = ask(backend, [upload(backend, splats[1])], camera, background=[0, 0, 1])
    assert np.allclose(combined[0, 0], (0, 0, 1, 1), atol=0.01)


def test_views_are_averaged_in_linear_light(backend, splats, camera):
    digest, away = upload(backend, splats[1]), np.eye(4)
    away[:3, 3] = 0, -9, 0  # behind the camera
    names = ("combined", "depth")
    still, still_depth = ask(backend, [digest], [view(camera)], names)
    mean, mean_depth = ask(backend, [digest], [view(camera), view(camera, [away])], names)
    assert np.allclose(mean, still / 2, atol=1e-6)
    assert np.allclose(mean_depth, still_depth, atol=1e-4), "depth is that of what shows"


def test_an_object_splits_the_splats_into_front_and_back(backend, splats, camera):
    digest, names = upload(backend, splats[1]), ("combined", "front", "back", "depth")
    whole, front, back, depth = ask(backend, [digest], [view(camera, occluders=upload(backend, mesh(3)))], names)
    assert np.allclose(front, whole, atol=1e-6) and not back.any()
    # the blob lets 2 percent of the square behind it through
    assert 2 < depth[16, 24] < 2.1 and depth[0, 0] == pytest.approx(3, abs=1e-3)
    whole, front, back, depth = ask(backend, [digest], [view(camera, occluders=upload(backend, mesh(1)))], names)
    assert np.allclose(back, whole, atol=1e-6) and not front.any()
    assert depth[16, 24] == pytest.approx(1, abs=1e-3)
    aside = upload(backend, mesh(1, 0.05))  # where nothing stands, all splats are behind: there shadow falls on them
    _, front, back, _ = ask(backend, [digest], [view(camera, occluders=aside)], names)
    assert not front.any() and np.allclose(back, whole, atol=1e-6)


def test_a_panorama_sees_objects_among_the_splats(backend, splats):
    around, digest = Camera.equirect((0, 0, 0), 64), upload(backend, splats[1])
    occluders = upload(backend, mesh(3))
    _, front, depth = ask(backend, [digest], [view(around, occluders=occluders)], ("combined", "front", "depth"))
    assert front[16, 32, 3] > 0.8 and depth[16, 38] == pytest.approx(3 / np.cos(6.5 / 64 * 2 * np.pi), rel=0.01)


def test_the_two_eyes_of_a_panorama_see_a_near_thing_from_two_sides(backend, splats):
    around, digest = Camera.equirect((0, 0, 0), 256), upload(backend, splats[1])
    centres = []
    for offset in (-0.2, 0.2):
        (picture,) = ask(backend, [digest], [view(around, eye={"offset": offset})], ["combined"])
        weight = picture[..., 3].sum(0)
        centres.append((weight * (np.arange(256) + 0.5)).sum() / weight.sum())
    turn = np.arcsin(0.2 / 2) / (2 * np.pi) * 256
    assert centres == pytest.approx([128 + turn, 128 - turn], abs=0.3)


def test_a_frame_is_not_lost_when_its_worker_is_killed(backend, splats, camera):
    import os
    import signal
    import threading
    import time

    digest = upload(backend, splats[1])
    expected, workers = ask(backend, [digest], camera)[0], []

    def kill():
        time.sleep(0.1)
        workers.extend(frame_workers(backend.process.pid))
        for pid in workers:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    large = [view(camera.resized(960, 640))] * 6
    picture, _ = ask(backend, [digest], large)
    killer.join()
    assert workers and picture[320, 480, 3] > 0.9
    assert np.array_equal(ask(backend, [digest], camera)[0], expected)


def frame_workers(parent):
    """Processes that render frames for a service."""
    import subprocess

    rows = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True).stdout.splitlines()[1:]
    found = [row.split(None, 2) for row in rows]
    return [int(pid) for pid, owner, command in found if int(owner) == parent and "--frames" in command]


def test_a_frame_is_written_into_an_empty_file_of_the_client_and_into_no_other(backend, splats, camera, tmp_path):
    digest = upload(backend, splats[1])
    drawn = ask(backend, [digest], camera)
    query = order([digest], [view(camera)])
    empty, full, absent = tmp_path / "empty", tmp_path / "full", tmp_path / "absent"
    empty.touch()
    full.write_text("a diary")
    answers = [backend.http.post("/frames", json={**query, "output": str(f)}) for f in (empty, full, absent)]
    expected = b"".join(picture[::-1].tobytes() for picture in drawn)
    assert answers[0].headers["X-Delivered"] == "file" and answers[0].content == b"" and empty.read_bytes() == expected
    assert full.read_text() == "a diary" and not absent.exists()
    assert answers[1].content == answers[2].content == expected


def test_unknown_splats_are_asked_for(backend, splats, camera):
    assert backend.http.head("/splats/" + "0" * 64).status_code == 404
    assert backend.http.head(f"/splats/{upload(backend, splats[1])}").status_code == 204
    answer = backend.http.post("/frames", json=order(["0" * 64], [view(camera)]))
    assert answer.status_code == 409 and answer.json() == {"missing": ["0" * 64]}


def test_damaged_uploads_are_refused_and_not_kept(backend, splats, camera):
    digest = "1" * 64
    answer = backend.http.put(f"/splats/{digest}", content=splats[1])
    assert answer.status_code == 422 and "digest" in answer.json()["error"]
    assert backend.http.post("/frames", json=order([digest], [view(camera)])).status_code == 409
    assert backend.http.put("/splats/..%2fjobs", content=b"x").status_code in (404, 422)


def test_what_cannot_be_drawn_is_a_sentence(backend, splats, camera):
    digest = upload(backend, splats[1])
    bad = order([digest], [view(camera)])
    bad["views"][0]["camera"]["K"] = [[1]]
    assert "camera" in backend.http.post("/frames", json=bad).json()["error"]
    assert backend.http.post("/frames", json={"splats": [{}]}).status_code == 422
    junk = upload(backend, b"not a ply")
    answer = backend.http.post("/frames", json=order([junk], [view(camera)]))
    assert answer.status_code == 422 and answer.json()["error"]
    assert ask(backend, [digest], camera)[0].any(), "the frames go on"


def test_a_frame_does_not_wait_for_the_running_job(backend, splats, camera, tmp_path):
    digest = upload(backend, splats[1])
    ask(backend, [digest], camera)
    job = backend.submit("steps", tmp_path / "a.png", seconds=30)
    backend.wait(job, ("running",))
    assert ask(backend, [digest], camera)[0].any()
    assert backend.job(job)["state"] == "running"
    backend.http.post(f"/jobs/{job}/cancel")
    backend.wait(job)


def test_the_cache_forgets_what_was_unused_for_longest(tmp_path):
    import asyncio
    import os

    from skyworld.service.splat_cache import SplatCache

    cache = SplatCache(tmp_path, limit=250)

    async def put(data):
        async def chunks():
            yield data

        digest = hashlib.sha256(data).hexdigest()
        await cache.put(digest, chunks())
        return digest

    first, second = (asyncio.run(put(bytes([number]) * 100)) for number in (1, 2))
    for age, digest in ((20, first), (10, second)):
        os.utime(tmp_path / f"{digest}.ply", (1e9 - age, 1e9 - age))
    assert cache.find(first)  # used now
    third = asyncio.run(put(b"3" * 100))
    assert cache.find(first) and cache.find(third) and cache.find(second) is None
