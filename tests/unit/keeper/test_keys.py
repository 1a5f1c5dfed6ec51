"""Keys: from the environment or a keystore; never in an error."""

import json

import pytest
from eth_account import Account

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.keys import account_of, accounts_folder, key_of_keystore, passphrase_from
from plimsoll.keeper.settings import KeystoreSettings, key_at

KEY = "5e" * 32
PASSPHRASE = "correct horse"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as ape keeps it; few rounds of the key derivation, for speed."""
    found = tmp_path_factory.mktemp("ape") / "accounts"
    found.mkdir()
    (found / "poster.json").write_text(json.dumps(Account.encrypt(KEY, PASSPHRASE, iterations=2)))
    return found


def test_a_keystore_account_signs_as_its_key(folder):
    assert key_of_keystore("poster", PASSPHRASE, folder) == KEY
    assert account_of(KEY).address == Account.from_key(KEY).address


def test_the_settings_name_account_and_passphrase(folder):
    source = KeystoreSettings(account="poster", passphrase="PASSWORD_OF_POSTER")
    environment = {"APE_DATA_FOLDER": str(folder.parent), "PASSWORD_OF_POSTER": PASSPHRASE}
    assert accounts_folder(environment) == folder
    assert key_at(source, environment) == KEY
    assert key_at("SOME_KEY", {"SOME_KEY": "0x" + KEY}) == KEY


def test_a_passphrase_in_a_file_as_systemd_hands_it_over(tmp_path):
    (tmp_path / "credential").write_text(PASSPHRASE + "\n")
    assert passphrase_from("PASS", {"PASS_FILE": str(tmp_path / "credential")}) == PASSPHRASE


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "PASS is not set"),
        ({"PASS_FILE": "/nowhere/at/all"}, "PASS_FILE: /nowhere/at/all"),
    ],
)
def test_no_passphrase(environment, message):
    with pytest.raises(SettingsError, match=message):
        passphrase_from("PASS", environment)


def test_a_wrong_passphrase_is_said_and_nothing_of_it_shown(folder):
    with pytest.raises(SettingsError, match="keystore account poster: the passphrase is not its own") as found:
        key_of_keystore("poster", "incorrect donkey", folder)
    assert "donkey" not in str(found.value)
    assert found.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("no json", "is no keystore file"),
        ('{"version": 1}', "no keystore file of version 3"),
        ("[]", "no keystore file of version 3"),
    ],
)
def test_a_file_that_is_none(tmp_path, text, message):
    if text is not None:
        (tmp_path / "x.json").write_text(text)
    with pytest.raises(SettingsError, match=message):
        key_of_keystore("x", PASSPHRASE, tmp_path)
