"""The command `convert`: files of Gaussians in one format become a file in another."""

from skyworld.errors import UserError
from skyworld.parameters import ConvertParameters
from skyworld.splats import formats
from skyworld.splats.edit import crop_box, crop_sphere, limited, merge, placement
from skyworld.splats.gaussians import Gaussians


def convert(parameters: ConvertParameters) -> str:
    """Merges, crops, places and writes; returns what was written and what such a file keeps.

    Warns with FormatLoss about what was left out. Raises UserError for an output that is there, or left without any.
    """
    target, output = formats.format_of(parameters.output), parameters.output
    if output.exists() and not parameters.force:
        raise UserError("is there already", file=output, hint="Add --force to write over it")
    gaussians = _edited(merge([_read(source, parameters) for source in parameters.sources]), parameters)
    if len(gaussians) == 0:
        raise UserError("nothing of it lies in the box or the sphere", file=parameters.sources[0], hint="Crop less")
    target.write(output, gaussians, **_up(target, parameters))
    size = output.stat().st_size / 1e6
    facts = f"{output}: {len(gaussians):,} Gaussians, harmonics of degree {gaussians.sh_degree}, {size:.1f} MB"
    return f"{facts}\n{target.suffix} keeps {target.keeps}; loses {target.loses}"


def _read(source, parameters: ConvertParameters) -> Gaussians:
    form = formats.recognised(source)
    return form.read(source, drop_invalid=parameters.drop_broken, **_up(form, parameters))


def _up(form: formats.Format, parameters: ConvertParameters) -> dict:
    """Of all formats only .glb says which way is up."""
    return {"up": "-y" if parameters.y_down else "z"} if form.suffix == ".glb" else {}


def _edited(gaussians: Gaussians, parameters: ConvertParameters) -> Gaussians:
    """Cropped where they lie in the file, then scaled, turned, moved."""
    if parameters.sh_degree is not None:
        gaussians = limited(gaussians, parameters.sh_degree)
    if parameters.crop_box:
        gaussians = crop_box(gaussians, parameters.crop_box[:3], parameters.crop_box[3:])
    if parameters.crop_sphere:
        gaussians = crop_sphere(gaussians, parameters.crop_sphere[:3], parameters.crop_sphere[3])
    *axis, degrees = parameters.rotate or (0, 0, 1, 0)
    matrix = placement(translate=parameters.translate, axis=axis, degrees=degrees, scale=parameters.scale)
    placed = {"translate", "rotate", "scale"} & parameters.model_fields_set
    return gaussians.transformed(matrix) if placed else gaussians
