"""A world that is wished for: its folder, its parameters, and who plays which role."""

import dataclasses
from dataclasses import dataclass

from skyworld.models.roles import Description, Photograph, Provenance, TextToImage
from skyworld.models.roster import Roster
from skyworld.panorama.stored import read_photograph
from skyworld.parameters import WorldParameters
from skyworld.world import World


@dataclass(frozen=True)
class Commission:
    """roster: gives a role's `provenance` without loading a model, and the model itself."""

    world: World
    parameters: WorldParameters
    roster: Roster

    def model(self, role: str) -> dict | None:
        """Provenance of who plays the role, as plain data for a stage's inputs; None where nobody does."""
        found = self.roster.provenance(role)
        return dataclasses.asdict(found) if found else None

    @property
    def by_checkpoint(self) -> bool:
        """Whether a checkpoint completes pictures, and not the built-in model, which needs no words."""
        return not self.roster.provenance("inpainter").builtin

    @property
    def refines(self) -> bool:
        return self.parameters.refinement > 0 and self.roster.provenance("text_to_image") is not None

    @property
    def describes(self) -> bool:
        """Whether a captioner's words are used by anyone."""
        used = self.by_checkpoint or self.refines
        untouched = self.parameters.panorama and not self.parameters.repair and self.parameters.quality != "full"
        return bool(used and not untouched and self.roster.provenance("captioner"))

    def refiner(self) -> TextToImage | None:
        return self.roster.get("text_to_image") if self.refines else None

    def photograph(self) -> Photograph | None:
        """None where the world is of the artist's own panorama, or of a panoramic model's."""
        return None if self.parameters.panorama else read_photograph(self.world)

    def description(self) -> Description | None:
        """The captioner's, from world.json."""
        told = self.world.document.get("description") if self.describes else None
        return Description(**told) if told else None

    def needed(self) -> list[str]:
        """The roles of which a stage may ask the model."""
        parameters, completes = self.parameters, not self.parameters.panorama or self.parameters.repair
        asked = {
            "captioner": self.describes,
            "inpainter": completes or parameters.quality == "full",
            "text_to_image": (completes and self.refines) or not (parameters.photo or parameters.panorama),
            "segmenter": True,
            "depth": not parameters.distance or parameters.quality == "full",
            "detail": not parameters.distance,
        }
        return [role for role, is_asked in asked.items() if is_asked]

    def models(self) -> list[Provenance]:
        """All that play a role in this world; the built-in measures distance where no depth model does."""
        from skyworld.models.builtin.distance import BuiltinDistance

        roles = ["inpainter", "depth", "detail", "text_to_image", "captioner", "segmenter"]
        found = {role: self.roster.played(role) for role in roles}
        found["depth"] = found["depth"] or BuiltinDistance.provenance
        return [model for model in found.values() if model]
