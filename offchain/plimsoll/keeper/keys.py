"""Keys that send: from an environment variable, or from a keystore file as `ape accounts` writes it.

A key is never in a setting, a line of the journal, a log or an error. A keystore file is of the Web3 Secret Storage
format, version 3; its passphrase comes from an environment variable, or from a file that one names: where systemd or a
container hands over credentials.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from eth_account import Account
from eth_account.signers.local import LocalAccount

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.logs import SECRETS

DATA_FOLDER: Final = "APE_DATA_FOLDER"  # as ape knows it


def accounts_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where ape keeps its accounts."""
    found = (os.environ if environment is None else environment).get(DATA_FOLDER)
    return (Path(found) if found else Path.home() / ".ape") / "accounts"


def known(secret: str) -> str:
    """A secret, from now on blacked out wherever it would be written."""
    SECRETS.know(secret)
    return secret


def passphrase_from(variable: str, environment: Mapping[str, str] | None = None) -> str:
    """The passphrase that an environment variable holds, or the first line of the file that `VARIABLE_FILE` names.

    Raises
    ------
    SettingsError
        Neither is set, or the file cannot be read.
    """
    values = os.environ if environment is None else environment
    if variable in values:
        return known(values[variable])
    at = values.get(f"{variable}_FILE")
    if at is None:
        raise SettingsError(
            f"environment variable {variable} is not set; it should hold a passphrase, or {variable}_FILE name a file"
        )
    try:
        return known(Path(at).read_text(encoding="utf-8").partition("\n")[0])
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}_FILE: {at}: {error}") from error


def key_from(variable: str, environment: Mapping[str, str] | None = None) -> str:
    """The private key that an environment variable holds.

    Raises
    ------
    SettingsError
        Where it is unset or no key; the value is never quoted.
    """
    value = (os.environ if environment is None else environment).get(variable, "")
    digits = value.removeprefix("0x")
    if not value:
        raise SettingsError(f"environment variable {variable} is not set; it should hold a private key")
    try:
        good = len(bytes.fromhex(digits)) == 32
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"environment variable {variable} holds no private key of 64 hexadecimal digits")
    return known(digits)


def key_of_keystore(alias: str, passphrase: str, folder: Path) -> str:
    """The private key in a keystore file.

    Raises
    ------
    SettingsError
        There is no such file, it is none, or the passphrase is not its own.
    """
    path = folder / f"{alias}.json"
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"keystore account {alias}: {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"keystore account {alias}: {path} is no keystore file") from error
    try:
        return known(bytes(Account.decrypt(found, passphrase)).hex())
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        why = "the passphrase is not its own" if "MAC" in str(error) else "it is no keystore file of version 3"
        raise SettingsError(f"keystore account {alias}: {why}") from None


def account_of(key: str) -> LocalAccount:
    """What signs with a private key [64 hexadecimal digits]."""
    found: LocalAccount = Account.from_key(key)
    return found
