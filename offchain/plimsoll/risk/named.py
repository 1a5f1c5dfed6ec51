"""Models by name: what a configuration says, and what archived reports are recomputed with.

A name is one of

    a model of this package         har-fhs, ewma-fhs, learned-fhs
    an entry point                  of the group `plimsoll.models` of any installed package
    module:Class                    that can be imported; `plimsoll replay` knows the others alone

The class has `name`, `version` and a classmethod `of(parameters)` besides what `RiskModel` asks; its `name` is the one
that it is found by, because that is what an archived report says. `plimsoll.risk.conformance` holds it to the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from plimsoll.risk.errors import ModelError, RiskError
from plimsoll.risk.learned_fhs import LearnedFhs
from plimsoll.risk.models import EwmaFhs, HarFhs, RiskModel

GROUP: Final = "plimsoll.models"
OWN: Final[Mapping[str, Any]] = {HarFhs.name: HarFhs, EwmaFhs.name: EwmaFhs, LearnedFhs.name: LearnedFhs}
DEFAULT: Final = HarFhs.name


def known() -> tuple[str, ...]:
    """Names of models that are installed here, our own first."""
    return tuple(dict.fromkeys((*OWN, *sorted(entry.name for entry in entry_points(group=GROUP)))))


def class_of(name: str) -> Any:
    """The class behind a name.

    Raises
    ------
    ModelError
        There is none, it cannot be imported, or it is no model.
    """
    found = OWN.get(name) or _entered(name) or _imported(name)
    lacking = [word for word in ("name", "version", "of", "assess", "parameters") if not hasattr(found, word)]
    if lacking:
        raise ModelError(f"model {name!r} has no {', '.join(lacking)}; see docs/MODEL.md, A model of your own")
    if found.name != name:
        raise ModelError(
            f"model {name!r} calls itself {found.name!r}; the same name is right, reports are replayed by it"
        )
    return found


def _entered(name: str) -> Any:
    """What an entry point of that name leads to; None where there is none."""
    for entry in entry_points(group=GROUP, name=name):
        try:
            return entry.load()
        except Exception as error:
            raise ModelError(f"model {name!r}: entry point {entry.value} cannot be loaded: {_told(error)}") from error
    return None


def _imported(name: str) -> Any:
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        raise ModelError(f"model {name!r} is unknown here; {', '.join(known())}, or module:Class, is right")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        raise ModelError(f"model {name!r} cannot be imported: {_told(error)}") from error


def _told(error: Exception) -> str:
    return f"{type(error).__name__} {error}"


def made(name: str = DEFAULT, parameters: Mapping[str, Any] | None = None) -> RiskModel:
    """A model by its name, with parameters [plain values]; those that are not given are the model's defaults.

    Raises
    ------
    ModelError
        The model or a parameter is unknown here, or a parameter is out of range.
    """
    kind = class_of(name)
    try:
        found: RiskModel = kind.of(dict(parameters or {}))
    except RiskError:
        raise
    except (ValueError, TypeError) as error:
        raise ModelError(f"model {kind.name} {kind.version}: {error}") from error
    except Exception as error:
        raise ModelError(f"model {kind.name} {kind.version}: {_told(error)}") from error
    return found


def recalled(name: str, version: str, parameters: Mapping[str, Any]) -> RiskModel:
    """The model that an archived report names, with the parameters that were archived with it.

    Raises
    ------
    ModelError
        The model, this version of it, or a parameter is unknown here.
    """
    if name not in known():  # an archive may be a stranger's: nothing is imported because it says so
        raise ModelError(f"model {name!r} is unknown here; {', '.join(known())} are: an entry point makes one known")
    kind = class_of(name)
    if kind.version != version:
        raise ModelError(
            f"model {name} version {version!r}; here it is {kind.version!r}: recompute with the release that made it"
        )
    return made(name, parameters)
