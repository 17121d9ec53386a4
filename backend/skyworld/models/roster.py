"""Who plays which role: the profile's checkpoints, or the user's own in their place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from skyworld.errors import UserError
from skyworld.models import checkpoints, profiles, store
from skyworld.models.profiles import BUILTIN
from skyworld.models.residency import RESIDENCY, Kept, Order, Residency
from skyworld.models.roles import Provenance
from skyworld.models.settings import Settings

FIT_BYTES = 8e9  # of the GPU that a fit of views of 1024 px takes at most
# Depth models are asked for in two roles: one in metres, and a sharp one that lends it its edges.
LOADED_AS = {"detail": "depth"}


@dataclass(frozen=True)
class Choice:
    """What plays a role. source: hub id or folder; companion: a LoRA, or the masks of a segmenter; the same."""

    source: str
    settings: Settings
    licence: str
    companion: str | None = None


class Roster:
    """profile: "builtin", "8gb", "16gb" or "24gb".  overrides: {role: "", "builtin", or hub id or folder}; what follows
    a + is a LoRA for it, or a segmenter's model of masks.

    Nothing is downloaded: UserError says what is missing.
    """

    def __init__(
        self,
        profile: str = BUILTIN,
        overrides: Mapping[str, str] | None = None,
        device: torch.device | str = "cpu",
        residency: Residency = RESIDENCY,
    ):
        self._profile = None if profile == BUILTIN else profiles.profile(profile)
        self._overrides = {role: wish for role, wish in (overrides or {}).items() if wish}
        self._device, self._residency = torch.device(device), residency
        self._kept: dict[str, Kept] = {}

    def provenance(self, role: str) -> Provenance | None:
        """Of what plays the role, weights untouched; None where nobody does or recipe.py's own built-in."""
        choice = self.choice(role)
        if choice is not None:
            return _provenance(role, choice)
        return builtin.provenance if (builtin := _builtin(role)) else None

    def get(self, role: str):
        """What plays the role, loaded; None as for `provenance`."""
        choice = self.choice(role)
        if choice is not None:
            self._kept[role] = self._residency.hold(self._order(role, choice))
            return self._kept[role]
        return _builtin(role)

    def played(self, role: str) -> Provenance | None:
        """As `provenance`, with what the memory made of it: a checkpoint may have been held thriftier than planned."""
        return self._kept[role].provenance if role in self._kept else self.provenance(role)

    def require(self, roles: Iterable[str]) -> None:
        """UserError where a checkpoint of these roles is not here, or not whole: before any work is done."""
        choices = [choice for choice in map(self.choice, roles) if choice is not None]
        sources = dict.fromkeys(each for c in choices for each in (c.source, c.companion) if each)
        lacking = [each for each in sources if not Path(each).is_file() and store.state(each).state != "complete"]
        if len(lacking) > 1 and self._profile and all(profiles.find(each) for each in lacking):
            raise UserError(
                f"{len(lacking)} models of the profile {self._profile.name} are not downloaded: {', '.join(lacking)}",
                hint=f"Run `skyworld models download {self._profile.name}`, or press Download All in the preferences",
            )
        for each in lacking:
            store.complete(each)

    def rest(self) -> None:
        """The models are not asked any more for a while: the GPU is to be free for a fit."""
        self._residency.make_room(self._device, FIT_BYTES)

    def choice(self, role: str) -> Choice | None:
        """None for the built-ins."""
        if role not in profiles.ROLES:
            raise ValueError(f"no role {role!r}")
        wish = self._overrides.get(role, "")
        if wish == BUILTIN or (not wish and self._profile is None):
            return None
        if wish:
            return self._own(role, wish)
        if role == "detail" and "depth" in self._overrides:  # one's own model of depth is not mixed with another
            return None
        assigned = self._profile.roles.get(role)
        if assigned is None:
            return None
        companion = assigned.companion.id if assigned.companion else None
        return Choice(assigned.checkpoint.id, assigned.settings, assigned.checkpoint.licence, companion)

    def _own(self, role: str, wish: str) -> Choice:
        source, _, companion = (wish, "", "") if Path(wish).expanduser().is_dir() else wish.partition("+")
        known = profiles.find(source.strip())
        licence = known.licence if known else ""
        return Choice(known.id if known else source.strip(), self._held(role), licence, companion.strip() or None)

    def _held(self, role: str) -> Settings:
        """How thriftily a model of the user's is held: as the profile holds its own, steps and guidance apart."""
        profile = self._profile
        if profile is None and self._device.type == "cuda":
            profile = profiles.fitting(torch.cuda.get_device_properties(self._device).total_memory / 2**30)
        assigned = profile.roles.get(role) if profile else None
        return replace(assigned.settings, steps=None, guidance=None) if assigned else Settings()

    def _order(self, role: str, choice: Choice) -> Order:
        folder = store.complete(choice.source)
        companion = choice.companion
        if companion and not Path(companion).expanduser().is_file():
            companion = str(store.complete(companion))

        def load(settings: Settings):
            _quieten()
            loaded_as = LOADED_AS.get(role, role)
            # `local_only`: what is there is used as it is, and the hub is not asked
            return checkpoints.load(
                loaded_as,
                folder,
                settings,
                self._device,
                lora=companion,
                local_only=True,
                licence=choice.licence,
            )

        limit = self._profile.vram_gb * 2**30 if self._profile else None
        return Order(
            _provenance(role, choice),
            choice.settings.fitting(self._device),
            self._device,
            load,
            store.weights(folder),
            limit,
        )


def _provenance(role: str, choice: Choice) -> Provenance:
    name = choice.source + (f" + {choice.companion}" if choice.companion else "")
    return Provenance(role, name, store.version(choice.source), choice.licence, builtin=False)


def _quieten() -> None:
    """No bars and remarks of the libraries: the job tells of its progress, the adapters of what is amiss."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
        library.utils.logging.set_verbosity_error()


def _builtin(role: str):
    """What plays the role without weights, or None."""
    if role == "inpainter":
        from skyworld.models.builtin.panorama import BuiltinInpainter

        return BuiltinInpainter()
    if role == "restorer":
        from skyworld.models.builtin.restorer import BuiltinRestorer

        return BuiltinRestorer()
    return None
