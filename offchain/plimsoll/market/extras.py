"""Parts of the package that need more than it installs by itself."""

from __future__ import annotations

import importlib
from typing import Any

from plimsoll.market.errors import MarketError


class MissingExtraError(MarketError, ImportError):
    """A library of an optional extra is not installed."""


def required(module: str, extra: str) -> Any:
    """A module that an extra of the package brings.

    Raises
    ------
    MissingExtraError
        It is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module} cannot be imported ({error}); pip install plimsoll[{extra}] is right"
        ) from error
