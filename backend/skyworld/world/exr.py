"""Float pictures on disk: OpenEXR with one channel."""

from pathlib import Path

import numpy as np

from skyworld.errors import UserError


def write_exr(path: Path | str, values: np.ndarray) -> None:
    """Writes [H, W] (metres, say) in the single channel "V", lossless: float16 as it is, all else as float32."""
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    kind = np.float16 if values.dtype == np.float16 else np.float32
    OpenEXR.File(header, {"V": np.ascontiguousarray(values, kind)}).write(str(path))


def read_exr(path: Path | str) -> np.ndarray:
    """[H, W] float32 of a file with one channel; raises UserError for every other file."""
    import OpenEXR

    if not Path(path).is_file():
        raise UserError("there is no such file", file=path, hint="Check the name")
    try:
        channels = OpenEXR.File(str(path), separate_channels=True).channels()
    except RuntimeError as error:
        raise UserError(f"this EXR cannot be read ({error})", file=path, hint="Write it again") from error
    if len(channels) != 1:
        raise UserError(f"has the channels {', '.join(sorted(channels))}, not one", file=path)
    return next(iter(channels.values())).pixels.astype(np.float32)
