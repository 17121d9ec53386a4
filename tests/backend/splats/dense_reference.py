"""The rasterizer's judge: every Gaussian at every pixel, in float64, by torch autograd. Slow and plain."""

import torch

from skyworld.splats import spherical_harmonics


def render(
    gaussians,
    camera,
    antialiased=False,
    *,
    eps2d=0.3,
    colours=None,
    surfels=False,
    normals=False,
    world_to_camera=None,
    means2d_hook=None,
):
    """Image [H, W, 4 or 7] (premultiplied colour, accumulated depth, normal), alpha [H, W], and a mask [H, W] of the
    pixels that decide something by a hair (alpha at 1/255 or 0.999, transmittance at 1e-4), where float32 may decide
    otherwise. means2d_hook: is given the means in the picture and returns those to draw, [N, 2] or, for each pixel its
    own, [H * W, N, 2]."""
    view = torch.from_numpy(camera.world_to_camera) if world_to_camera is None else world_to_camera
    means2d, conics, depths, compensations = project(gaussians, camera, view, eps2d, surfels)
    if means2d_hook:
        means2d = means2d_hook(means2d)
    opacities = gaussians.logit_opacities.sigmoid()
    if antialiased:
        opacities = opacities * compensations
    position = -view[:3, :3].T @ view[:3, 3]
    if colours is None:
        colours = spherical_harmonics.colours(gaussians.sh, gaussians.means - position, gaussians.sh_degree)
    order = torch.argsort(depths.detach(), stable=True)
    order = order[depths.detach()[order] > 0.01]
    v, u = torch.meshgrid(
        *(torch.arange(size, dtype=torch.float64) + 0.5 for size in (camera.height, camera.width)), indexing="ij"
    )
    offset = torch.stack([u, v], -1).reshape(-1, 1, 2) - means2d[..., order, :]
    a, b, c = conics[order].unbind(-1)
    sigma = 0.5 * (a * offset[..., 0] ** 2 + c * offset[..., 1] ** 2) + b * offset[..., 0] * offset[..., 1]
    raw = opacities[order] * torch.exp(-sigma)
    alpha = torch.where(raw >= 1 / 255, raw.clamp_max(0.999), torch.zeros_like(raw))
    close = ((raw * 255 - 1).abs() < 1e-4) | ((raw / 0.999 - 1).abs() < 1e-5)
    through = torch.cumprod(1 - alpha, 1)
    close |= (through / 1e-4 - 1).abs() < 1e-3
    # What lies behind a pixel that is done stays undrawn, however faint it is.
    alpha = torch.where(torch.cummin(through, 1).values > 1e-4, alpha, torch.zeros_like(alpha))
    through = torch.cat([torch.ones(len(offset), 1, dtype=alpha.dtype), torch.cumprod(1 - alpha, 1)], 1)
    features = [colours, depths[:, None]]
    if normals:
        features.append(facing_normals(gaussians, camera.model, view, position, surfels))
    size = (camera.height, camera.width)
    image = ((alpha * through[:, :-1]) @ torch.cat(features, 1)[order]).reshape(*size, -1)
    return image, (1 - through[:, -1]).reshape(size), close.any(1).reshape(size)


def project(gaussians, camera, view, eps=0.3, surfels=False):
    """Means [N, 2], conics [N, 3], depths [N] and compensations [N] in the picture."""
    local = gaussians.means @ view[:3, :3].T + view[:3, 3]
    pixels, J = PROJECTIONS[camera.model](camera, *local.unbind(-1))
    scales = gaussians.log_scales.exp()
    if surfels:
        scales = scales * torch.tensor([1.0, 1.0, 0.0], dtype=scales.dtype)
    factor = rotation_matrices(gaussians.quats) * scales[:, None, :]
    covariance = factor @ factor.transpose(-1, -2)
    JW = J @ view[:3, :3]
    thin = JW @ covariance @ JW.transpose(-1, -2)
    wide = thin + eps * torch.eye(2, dtype=thin.dtype)
    inverse = torch.linalg.inv(wide)
    conics = torch.stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]], -1)
    compensations = (torch.linalg.det(thin) / torch.linalg.det(wide)).clamp_min(0).sqrt()
    return pixels, conics, local[:, 2], compensations


def pinhole(camera, x, y, z):
    fx, fy, cx, cy = (float(camera.K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    tx = (x / z).clamp(-cx / fx - 0.15 * camera.width / fx, (camera.width - cx) / fx + 0.15 * camera.width / fx)
    ty = (y / z).clamp(-cy / fy - 0.15 * camera.height / fy, (camera.height - cy) / fy + 0.15 * camera.height / fy)
    zero = torch.zeros_like(z)
    J = torch.stack([fx / z, zero, -fx * tx / z, zero, fy / z, -fy * ty / z], -1).unflatten(-1, (2, 3))
    return torch.stack([fx * x / z + cx, fy * y / z + cy], -1), J


def ortho(camera, x, y, z):
    K = torch.from_numpy(camera.K)
    J = torch.diag(torch.diagonal(K)[:2]) @ torch.eye(2, 3, dtype=K.dtype)
    return torch.stack([x, y], -1) @ K[:2, :2].T + K[:2, 2], J.expand(len(x), 2, 3)


def fisheye(camera, x, y, z):
    """The Jacobian by autograd, point by point."""
    K = torch.from_numpy(camera.K)

    def pixel(point):
        r = point[:2].norm()
        return K[:2, :2] @ (point[:2] * torch.atan2(r, point[2]) / r) + K[:2, 2]

    points = torch.stack([x, y, z], -1)
    return torch.func.vmap(pixel)(points), torch.func.vmap(torch.func.jacrev(pixel))(points)


PROJECTIONS = {"pinhole": pinhole, "ortho": ortho, "fisheye": fisheye}


def facing_normals(gaussians, model, view, position, surfels):
    """The third axis of a surfel, else the shortest axis, in the world and towards the camera."""
    rotations = rotation_matrices(gaussians.quats)
    index = torch.full((len(gaussians),), 2) if surfels else gaussians.log_scales.argmin(1)
    axes = rotations[torch.arange(len(gaussians)), :, index]
    ray = view[2, :3].expand_as(axes) if model == "ortho" else gaussians.means - position
    return torch.where(((axes * ray).sum(-1, keepdim=True) > 0).detach(), -axes, axes)


def rotation_matrices(quats):
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
