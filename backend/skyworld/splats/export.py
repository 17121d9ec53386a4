"""Job kind `export`: the Gaussians of a world as a file that other programs open."""

from collections.abc import Iterator

from skyworld.errors import UserError
from skyworld.parameters import ExportParameters
from skyworld.progress import Progress


def export(parameters: ExportParameters) -> Iterator[Progress]:
    """Writes `parameters.output`; yields progress. Raises UserError for a world without splats or an unknown suffix."""
    from skyworld.splats import formats
    from skyworld.world import World

    form = formats.format_of(parameters.output)
    world = World.open(parameters.world)
    source = world.path("splats.ply")
    if not source.is_file():
        raise UserError("this world has no splats yet", file=world.root, hint="Finish it with `skyworld world` first")
    yield Progress(0.0, "reading the splats")
    gaussians = formats.read(source)
    yield Progress(0.5, f"writing {len(gaussians):,} splats")
    form.write(parameters.output, gaussians)
    yield Progress(1.0, str(parameters.output))
