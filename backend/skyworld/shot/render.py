"""Job kind `render`: frames, depth and a film of a world along a camera path."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from skyworld.errors import UserError
from skyworld.parameters import RenderParameters
from skyworld.progress import Progress


def render(parameters: RenderParameters) -> Iterator[Progress]:
    """Writes frame_0001.png ..., with `depth` depth_0001.exr ... (camera z, metres), and the film if wanted."""
    from skyworld.camera.formats import nerfstudio
    from skyworld.splats.device import pick_device
    from skyworld.splats.formats.ply import read_ply
    from skyworld.splats.rasterize.passes import drawer
    from skyworld.world import World, atomic_write
    from skyworld.world.exr import write_exr

    world = World.open(parameters.world)
    path = nerfstudio.read(parameters.path)
    splats = world.path("splats.ply")
    if not splats.is_file():
        raise UserError("this world has no splats yet", file=world.root, hint="Finish it with `skyworld world` first")
    yield Progress(0.0, "reading the splats")
    device = pick_device(parameters.device)
    draw, how = drawer(read_ply(splats), device)
    folder = parameters.output
    _make_folder(folder)
    with ExitStack() as stack:
        film = stack.enter_context(Film(parameters.video, path)) if parameters.video else None
        for index, camera in enumerate(path.cameras, 1):
            view = draw(camera)
            picture = (view.colour[0].clamp(0, 1).cpu().numpy() * 255 + 0.5).astype(np.uint8)
            frame = folder / f"frame_{index:04d}.png"
            with atomic_write(frame) as temporary:
                Image.fromarray(picture).save(temporary, "PNG", compress_level=1)
            if parameters.depth:
                with atomic_write(folder / f"depth_{index:04d}.exr") as temporary:
                    write_exr(temporary, view.depth[0].cpu().numpy())
            if film:
                film.send(picture)
            yield Progress(index / len(path.cameras), f"frame {index} of {len(path.cameras)}, {how}", preview=frame)


class Film:
    """H.264 in MP4, 4:2:0, visually lossless; the file appears when all frames are in."""

    def __init__(self, file: Path, path):
        self.file, self.fps = Path(file), path.fps
        # 4:2:0 needs even sizes: an odd row or column is dropped.
        self.width, self.height = path.cameras[0].width // 2 * 2, path.cameras[0].height // 2 * 2

    def __enter__(self):
        import imageio_ffmpeg

        _make_folder(self.file.parent)
        self.temporary = self.file.with_name(f".{self.file.stem}.part.mp4")
        self.writer = imageio_ffmpeg.write_frames(
            str(self.temporary),
            (self.width, self.height),
            fps=self.fps,
            macro_block_size=1,
            ffmpeg_log_level="error",
            output_params=["-crf", "16", "-preset", "medium", "-movflags", "+faststart"],
        )
        self.writer.send(None)
        return self

    def send(self, picture: np.ndarray) -> None:
        """picture: [H, W, 3] uint8."""
        self.writer.send(np.ascontiguousarray(picture[: self.height, : self.width]))

    def __exit__(self, kind, *_):
        self.writer.close()
        if kind is None:
            self.temporary.replace(self.file)
        else:
            self.temporary.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"this folder cannot be made ({error.strerror})", file=folder) from error
