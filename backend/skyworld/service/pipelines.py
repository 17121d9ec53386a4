"""Which function does which kind of job. A worker may be given another module like this one."""

from skyworld.parameters import KINDS

__all__ = ["KINDS", "PIPELINES", "warm"]

# Imported in the worker only, when a job needs them.
PIPELINES = {
    "world": "skyworld.recipe:generate",
    "choices": "skyworld.choices:offer",
    "fit": "skyworld.splats.reconstruct:reconstruct",
    "path": "skyworld.camera.paths:author",
    "render": "skyworld.shot.render:render",
    "proxy": "skyworld.proxy.make:make",
    "export": "skyworld.splats.export:export",
    "download": "skyworld.models.download:download",
    "satellite_overview": "skyworld.satellite.footprints:survey",
    "satellite_prepare": "skyworld.satellite.prepare:prepare",
    "satellite_height": "skyworld.satellite.height:measure_heights",
    "train": "skyworld.models.pointcloud.train:train",
    "satellite_reconstruct": "skyworld.satellite.reconstruct:reconstruct",
    "satellite_refine": "skyworld.satellite.refine:refine",
    "satellite_city": "skyworld.satellite.city:make",
    "satellite_export": "skyworld.satellite.export:export",
    "evaluate_satellite": "skyworld.satellite.scores:evaluate",
}


def warm() -> str:
    """Loads what every job needs, so that the first one does not wait; returns the device's name."""
    import torch

    import skyworld.splats  # noqa: F401

    return f"cuda:0 {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else "cpu"
