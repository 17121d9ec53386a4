"""Job kind `export`: the Gaussians of a world as a file that other programs open."""

from collections.abc import Iterator

from skyworld.errors import UserError
from skyworld.parameters import ExportParameters
from skyworld.progress import Progress


def export(parameters: ExportParameters) -> Iterator[Progress]:
    """Writes `parameters.output`; yields progress. Raises UserError for a world without splats or an unknown suffix."""
    from skyworld.splats.formats.ply import read_ply, write_ply
    from skyworld.world import World

    if parameters.output.suffix.lower() != ".ply":
        raise UserError(
            f"splats cannot be written as {parameters.output.suffix or 'a file without suffix'}",
            file=parameters.output,
            hint="Give it a name that ends in .ply",
        )
    world = World.open(parameters.world)
    source = world.path("splats.ply")
    if not source.is_file():
        raise UserError("this world has no splats yet", file=world.root, hint="Finish it with `skyworld world` first")
    yield Progress(0.0, "reading the splats")
    gaussians = read_ply(source)
    yield Progress(0.5, f"writing {len(gaussians):,} splats")
    write_ply(parameters.output, gaussians)
    yield Progress(1.0, str(parameters.output))
