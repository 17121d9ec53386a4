"""Small pictures with known truth, drawn ray by ray."""

import numpy as np

from skyworld.camera import Camera, turned


def camera(width=320, height=214, fov=60.0, pitch=0.0) -> Camera:
    return Camera.pinhole(turned((0, 0, 0), pitch=np.radians(pitch)), np.radians(fov), width, height)


def speckle(at: np.ndarray, seed: int = 0) -> np.ndarray:
    """A value in 0..1 for every integer place [..., k], the same every time."""
    mixed = (at.astype(np.int64) * np.array([73856093, 19349663, 83492791])[: at.shape[-1]]).sum(-1) + seed * 7919
    return ((mixed * 2654435761) % 4294967296) / 4294967296.0


def landscape(view: Camera, cloudy: bool = False) -> np.ndarray:
    """Blue sky over a speckled green plane, with a row of brown towers standing at the horizon."""
    rays = view.rays()
    up, yaw = rays[..., 2], np.degrees(np.arctan2(rays[..., 0], rays[..., 1]))
    sky = np.array([0.35, 0.55, 0.9]) + np.clip(0.5 - up, 0, 0.5)[..., None] * [0.6, 0.4, 0.1]
    if cloudy:
        plane = rays[..., :2] / np.maximum(up, 0.03)[..., None]
        puff = np.sin(2.1 * plane[..., 0] + np.sin(1.3 * plane[..., 1])) * np.sin(1.7 * plane[..., 1])
        sky += 0.25 * np.clip(puff, 0, 1)[..., None]
    foot = rays[..., :2] / np.minimum(up, -1e-3)[..., None]
    grain = speckle(np.floor(foot * 6))
    ground = np.array([0.22, 0.36, 0.12]) * (0.6 + 0.8 * grain[..., None])
    index = np.floor(yaw / 4)
    tower = (speckle(index[..., None]) > 0.5) & (np.degrees(np.arcsin(up)) < 2 + 5 * speckle(index[..., None], 1))
    wall = np.array([0.45, 0.3, 0.2]) * (0.7 + 0.5 * speckle(np.stack([yaw * 2, up * 120], -1).astype(int))[..., None])
    picture = np.where((up > 0)[..., None], np.where(tower[..., None], wall, sky), ground)
    return picture.clip(0, 1).astype(np.float32)


def room(view: Camera, heading: float = 28.0) -> np.ndarray:
    """Inside a box 6 x 5 x 2.7 m, turned by `heading` degrees, with doors, frames, boards and a speckled carpet."""
    turn = np.radians(heading)
    spin = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    rays = view.rays() @ spin.T
    low, high = np.array([-3.0, -2.5, -1.5]), np.array([3.0, 2.5, 1.2])
    with np.errstate(divide="ignore"):
        reach = np.where(rays > 0, high / rays, low / rays)
    side = np.argmin(reach, -1)
    hit = rays * reach.min(-1)[..., None]
    along = np.where(side == 0, hit[..., 1], hit[..., 0])
    board = (np.abs(np.mod(along, 1.25) - 0.6) < 0.35) & (hit[..., 2] < 0.6) & (hit[..., 2] > -0.9)
    stripe = np.abs(hit[..., 2] - 0.95) < 0.05
    wall = np.where(
        board[..., None], [0.5, 0.2, 0.12], np.where(stripe[..., None], [0.25, 0.2, 0.2], [0.85, 0.8, 0.68])
    )
    wall = wall * np.where(side == 0, 0.9, 1.0)[..., None]
    carpet = np.array([0.55, 0.45, 0.35]) * (0.6 + 0.8 * speckle(np.floor(hit[..., :2] * 25)))[..., None]
    flat = np.where((hit[..., 2] > 0)[..., None], [0.9, 0.9, 0.92], carpet)
    return np.where((side == 2)[..., None], flat, wall).clip(0, 1).astype(np.float32)
