"""I-46: each external function has its row, and the row says what the source asks for."""

import re

import pytest

from plimsoll.chain import artifacts
from tests import access
from tests.access import ACCESS, DOCUMENT, RULES, Row
from tests.properties import runs_of


def test_every_function_has_the_row_that_its_source_asks_for():
    assert access.findings() == []


def test_every_row_has_a_test_that_is_there():
    for rows in ACCESS.values():
        for row in rows.values():
            assert runs_of(row.test)
            assert row.rule in RULES


def test_the_document_has_this_table():
    assert DOCUMENT.read_text() == access.document(), "python -m tests.access --write"


def test_a_function_without_a_row_is_found(monkeypatch):
    """As when somebody adds one: to a contract, or to the part that lies elsewhere."""
    for contract, name in (("Registry", "set_fees"), ("Clearinghouse", "socialise")):
        fewer = {key: row for key, row in ACCESS[contract].items() if key != name}
        monkeypatch.setitem(ACCESS, contract, fewer)
        assert access.findings() == [f"{contract}.{name}: no row; add one to tests/access.py"]
        monkeypatch.setitem(ACCESS, contract, {**fewer, name: Row("owner", "", "")})


def test_a_row_without_its_function_is_found(monkeypatch):
    monkeypatch.setitem(ACCESS, "Lens", {"set_price": Row("owner", "", "")})
    assert access.findings() == ["Lens.set_price: no such function"]


@pytest.mark.parametrize(
    ("contract", "name", "asked"),
    [
        ("Registry", "set_fees", "ownable._check_owner()"),
        ("Guardrails", "set_limit", "authority._check("),
        ("RiskOracle", "remove_signer", "authority._check(True)"),
        ("Clearinghouse", "seize", "book._check_liquidator()"),
        ("Clearinghouse", "withdraw", "book._check_right(account, rights.WITHDRAW)"),
        ("Timelock", "schedule", "access_control._check_role(timelock_controller.PROPOSER_ROLE, msg.sender)"),
    ],
)
def test_a_check_that_is_gone_is_found(monkeypatch, contract, name, asked):
    """Of one function, in the source as it would stand without it; a comment that speaks of it helps nothing."""
    honest = access._source(contract)
    start = re.search(rf"^def {name}\(", honest, re.MULTILINE).start()
    faulty = honest[:start] + honest[start:].replace(asked, f"pass  # {asked}", 1)
    monkeypatch.setattr(access, "_source", lambda wanted: faulty if wanted == contract else _real(wanted))
    access.body.cache_clear()
    try:
        (found,) = access.findings()
    finally:
        access.body.cache_clear()
    assert found.startswith(f"{contract}.{name}: ")


_real = access._source


def test_what_asks_who_calls_is_nobodys_to_call_anyones(monkeypatch):
    monkeypatch.setitem(ACCESS["Registry"], "set_fees", Row("anyone", "", ""))
    assert access.findings() == ["Registry.set_fees: anyone's, but it asks who calls"]


def test_overloads_and_the_back_offices_functions_count_with_the_rest():
    assert "bid" in access.functions("Liquidator")[0]
    assert "seize" in access.functions("Clearinghouse")[0]
    assert "BackOffice" not in access.contracts()
    assert set(access.contracts()) | {"BackOffice"} | access.ASIDE == {
        name for name, path in artifacts.contract_paths().items() if "mocks" not in path.parts
    }
