"""Pictures under smooth warps are fitted; the field takes the warps, so that the Gaussians show what is straight."""

import cv2
import numpy as np
import pytest
import torch
from random_scenes import random_gaussians

from skyworld.camera import Camera, turned
from skyworld.splats import losses, rasterize
from skyworld.splats.distortion import Distortion
from skyworld.splats.train import Schedule, View, fit

WIDTH, HEIGHT, STRAIGHT = 64, 48, frozenset({0, 3})
CAMERAS = [Camera.pinhole(turned((0.15 * k - 0.6, 0, 0)), 1.0, WIDTH, HEIGHT) for k in range(6)]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def bent(picture: torch.Tensor, rng) -> torch.Tensor:
    """By up to 1.5 px: noise of a third of the picture's width."""
    noise = cv2.GaussianBlur(rng.normal(size=(2 * HEIGHT, 2 * WIDTH, 2)), (0, 0), WIDTH / 6)[:HEIGHT, :WIDTH]
    field = (1.5 * noise / np.linalg.norm(noise, axis=-1).max()).astype(np.float32)
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    at = (x + field[..., 0], y + field[..., 1])
    return torch.from_numpy(cv2.remap(picture.numpy(), *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101))


def fitted(start, views, field):
    schedule = Schedule(100, {"sh": (0.02, 0.002), "means": (0.002, 0.0002)})
    steps = fit(start, views, schedule, distortion=field)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_with_the_field_straight_views_come_out_better_than_without():
    truth, rng = random_gaussians(0, 250), np.random.default_rng(0)
    with torch.no_grad():
        straight = rasterize(truth, CAMERAS).colour
    views = [
        View(camera, picture if index in STRAIGHT else bent(picture, rng))
        for index, (camera, picture) in enumerate(zip(CAMERAS, straight, strict=True))
    ]
    start = truth.mapped(torch.clone)
    start.sh *= 0.8
    found = []
    for field in (None, Distortion(len(CAMERAS), frozen=STRAIGHT, grid=16)):
        shown = rasterize(fitted(start, views, field), CAMERAS).colour
        found.append(losses.psnr(shown, straight))
    off, on = found
    assert on > off + 0.3, (on, off)


def test_a_frozen_picture_is_never_warped_and_costs_nothing():
    field, picture = Distortion(3, frozen=frozenset({1}), grid=16), torch.rand(20, 30, 3)
    with torch.no_grad():
        field.network[-1].bias += 1.0
    same, cost = field(picture, 1)
    assert same is picture and float(cost) == 0
    other, cost = field(picture, 0)
    assert float(cost.detach()) > 0 and (other - picture).detach().abs().mean() > 0.01
    assert field.field(0).abs().max() <= 2 * field.bound
