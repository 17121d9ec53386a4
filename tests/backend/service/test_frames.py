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


def order(digests, camera, matrix=None, background=None):
    matrix = np.eye(4) if matrix is None else matrix
    splats = [{"digest": digest, "matrix": matrix.ravel().tolist()} for digest in digests]
    return {"splats": splats, "camera": camera.to_json(), "background": background}


def ask(backend, *arguments, **more):
    answer = backend.http.post("/frames", json=order(*arguments, **more))
    assert answer.status_code == 200, answer.text
    shape = int(answer.headers["X-Height"]), int(answer.headers["X-Width"]), 5
    assert float(answer.headers["X-Seconds"]) > 0
    assert answer.headers["X-How"] == ("in one pass" if arguments[0] else "")
    return np.frombuffer(answer.content, "<f4").reshape(shape)


def test_a_frame_is_what_the_rasterizer_draws(backend, splats, camera):
    gaussians, data = splats
    frame = ask(backend, [upload(backend, data)], camera)
    drawn = rasterize(gaussians, [camera])
    assert np.allclose(frame[..., :3], drawn.colour[0], atol=1e-4)
    assert np.allclose(frame[..., 3], drawn.alpha[0], atol=1e-4)
    assert np.allclose(frame[..., 4], drawn.depth[0], atol=1e-3)
    assert frame[16, 24, 4] == pytest.approx(2, abs=0.01) and frame[0, 0, 4] == 0


def test_an_object_is_drawn_where_it_stands_in_the_scene(backend, splats, camera):
    matrix = np.eye(4)
    matrix[:3, 3] = 0, 3, 0
    frame = ask(backend, [upload(backend, splats[1])], camera, matrix=matrix)
    assert frame[16, 24, 4] == pytest.approx(5, abs=0.01)


def test_several_objects_are_drawn_together(backend, splats, camera):
    digest = upload(backend, splats[1])
    one, two = ask(backend, [digest], camera), ask(backend, [digest, digest], camera)
    assert two[..., 3].sum() > one[..., 3].sum()


def test_an_empty_scene_is_an_empty_frame(backend, camera):
    assert not ask(backend, [], camera).any()


def test_the_background_lies_behind(backend, splats, camera):
    frame = ask(backend, [upload(backend, splats[1])], camera, background=[0, 0, 1])
    assert np.allclose(frame[0, 0, :4], (0, 0, 1, 0), atol=0.01)


def test_unknown_splats_are_asked_for(backend, camera):
    answer = backend.http.post("/frames", json=order(["0" * 64], camera))
    assert answer.status_code == 409 and answer.json() == {"missing": ["0" * 64]}


def test_damaged_uploads_are_refused_and_not_kept(backend, splats, camera):
    digest = "1" * 64
    answer = backend.http.put(f"/splats/{digest}", content=splats[1])
    assert answer.status_code == 422 and "digest" in answer.json()["error"]
    assert backend.http.post("/frames", json=order([digest], camera)).status_code == 409
    assert backend.http.put("/splats/..%2fjobs", content=b"x").status_code in (404, 422)


def test_what_cannot_be_drawn_is_a_sentence(backend, splats, camera):
    digest = upload(backend, splats[1])
    bad = order([digest], camera)
    bad["camera"]["K"] = [[1]]
    assert "camera" in backend.http.post("/frames", json=bad).json()["error"]
    assert backend.http.post("/frames", json={"splats": [{}]}).status_code == 422
    junk = upload(backend, b"not a ply")
    answer = backend.http.post("/frames", json=order([junk], camera))
    assert answer.status_code == 422 and answer.json()["error"]
    assert ask(backend, [digest], camera).any(), "the frames go on"


def test_a_frame_does_not_wait_for_the_running_job(backend, splats, camera, tmp_path):
    digest = upload(backend, splats[1])
    ask(backend, [digest], camera)
    job = backend.submit("steps", tmp_path / "a.png", seconds=30)
    backend.wait(job, ("running",))
    assert ask(backend, [digest], camera).any()
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
