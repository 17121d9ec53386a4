"""Float pictures on disk: OpenEXR with one channel."""

from pathlib import Path

import numpy as np


def write_exr(path: Path | str, values: np.ndarray) -> None:
    """Writes [H, W] (metres, say) as 32-bit float in the single channel "V", lossless."""
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"V": np.ascontiguousarray(values, np.float32)}).write(str(path))
