"""What every model of parameters is, how it is checked, and what fields of several kinds have in common."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skyworld.errors import UserError

FILE, FOLDER = {"subtype": "FILE_PATH"}, {"subtype": "DIR_PATH"}  # how Blender lets a path be chosen


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, allow_inf_nan=False)
    kind: ClassVar[str]


def words(shown: str, **more) -> dict:
    """How the command line shows the values of a field that only it has; `positional` where it needs no option."""
    return {"words": shown, **more}


def checkpoint_field(title: str, what: str):
    text = f"{what}: a model's hub id or folder in place of the profile's, or builtin"
    return Field("", title=title, description=text, json_schema_extra={"advanced": True, "empty": "As Models says"})


def check(model: type[Parameters], values: dict) -> Parameters:
    """The checked parameters. UserError with the first problem in a sentence."""
    try:
        return model(**values)
    except ValidationError as error:
        raise UserError(first_problem(model, error)[0]) from error


def first_problem(model: type[Parameters], error: ValidationError) -> tuple[str, str]:
    """The first problem as a sentence that begins with the field's label, and the field's name."""
    problem = error.errors()[0]
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        return f"{name} is not a parameter of this kind of job.", name
    titles = {field.alias or key: field.title for key, field in model.model_fields.items()}
    text = problem["msg"].removeprefix("Value error, ")
    if not name:
        return f"{text[0].upper()}{text[1:]}.", name
    return f"{titles.get(name, name)}: {text[0].lower()}{text[1:]}.", name
