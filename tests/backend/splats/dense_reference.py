"""The rasterizer's judge: every Gaussian at every pixel, in float64, by torch autograd. Slow and plain."""

import torch

from skyworld.splats import spherical_harmonics


def render(gaussians, camera, antialiased=False):
    """Image [H, W, 4] (premultiplied colour, accumulated depth), alpha [H, W], and a mask [H, W] of the pixels that
    decide something by a hair (alpha at 1/255 or 0.999, transmittance at 1e-4), where float32 may decide otherwise."""
    means2d, conics, depths, compensations = project(gaussians, camera)
    opacities = gaussians.logit_opacities.sigmoid()
    if antialiased:
        opacities = opacities * compensations
    position = torch.from_numpy(camera.position)
    colours = spherical_harmonics.colours(gaussians.sh, gaussians.means - position, gaussians.sh_degree)
    order = torch.argsort(depths.detach(), stable=True)
    order = order[depths.detach()[order] > 0.01]
    v, u = torch.meshgrid(
        *(torch.arange(size, dtype=torch.float64) + 0.5 for size in (camera.height, camera.width)), indexing="ij"
    )
    offset = torch.stack([u, v], -1).reshape(-1, 1, 2) - means2d[order]
    a, b, c = conics[order].unbind(-1)
    sigma = 0.5 * (a * offset[..., 0] ** 2 + c * offset[..., 1] ** 2) + b * offset[..., 0] * offset[..., 1]
    raw = opacities[order] * torch.exp(-sigma)
    alpha = torch.where(raw >= 1 / 255, raw.clamp_max(0.999), torch.zeros_like(raw))
    close = ((raw * 255 - 1).abs() < 1e-4) | ((raw / 0.999 - 1).abs() < 1e-5)
    through = torch.cumprod(1 - alpha, 1)
    close |= (through / 1e-4 - 1).abs() < 1e-3
    alpha = torch.where(through > 1e-4, alpha, torch.zeros_like(alpha))
    through = torch.cat([torch.ones(len(offset), 1, dtype=alpha.dtype), torch.cumprod(1 - alpha, 1)], 1)
    features = torch.cat([colours, depths[:, None]], 1)[order]
    size = (camera.height, camera.width)
    image = ((alpha * through[:, :-1]) @ features).reshape(*size, 4)
    return image, (1 - through[:, -1]).reshape(size), close.any(1).reshape(size)


def project(gaussians, camera, eps=0.3):
    """Means [N, 2], conics [N, 3], depths [N] and compensations [N] in the picture."""
    view = torch.from_numpy(camera.world_to_camera)
    fx, fy, cx, cy = (float(camera.K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    x, y, z = (gaussians.means @ view[:3, :3].T + view[:3, 3]).unbind(-1)
    tx = (x / z).clamp(-cx / fx - 0.15 * camera.width / fx, (camera.width - cx) / fx + 0.15 * camera.width / fx)
    ty = (y / z).clamp(-cy / fy - 0.15 * camera.height / fy, (camera.height - cy) / fy + 0.15 * camera.height / fy)
    zero = torch.zeros_like(z)
    J = torch.stack([fx / z, zero, -fx * tx / z, zero, fy / z, -fy * ty / z], -1).unflatten(-1, (2, 3))
    factor = rotation_matrices(gaussians.quats) * gaussians.log_scales.exp()[:, None, :]
    covariance = factor @ factor.transpose(-1, -2)
    JW = J @ view[:3, :3]
    thin = JW @ covariance @ JW.transpose(-1, -2)
    wide = thin + eps * torch.eye(2, dtype=thin.dtype)
    inverse = torch.linalg.inv(wide)
    conics = torch.stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]], -1)
    compensations = (torch.linalg.det(thin) / torch.linalg.det(wide)).clamp_min(0).sqrt()
    return torch.stack([fx * x / z + cx, fy * y / z + cy], -1), conics, z, compensations


def rotation_matrices(quats):
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
