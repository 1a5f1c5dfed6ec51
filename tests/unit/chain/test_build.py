"""What stands on a chain, against what the sources give; and that the sources give one thing."""

import json
import shutil

import pytest

from plimsoll.chain import artifacts, build
from plimsoll.chain.artifacts import ROOT
from plimsoll.chain.deployment import CONTRACTS, SystemConfig, deploy_system
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.chain.errors import CompileError

PEOPLE = [f"0x{number:040x}" for number in (0xA11CE, 0xB0B)]
NAMES = [name for name in CONTRACTS.values() if name != "Timelock"]


@pytest.fixture(scope="module")
def compiled():
    return artifacts.load_all(NAMES)


@pytest.fixture(scope="module")
def deployed():
    chain = EmbeddedChain()
    system = deploy_system(chain, SystemConfig(PEOPLE[0], PEOPLE, 2))
    there = {name: getattr(system, key).address for key, name in CONTRACTS.items() if getattr(system, key) is not None}
    return chain, build.Book(chain.chain_id, there, {"quote": system.quote.address})


@pytest.fixture
def site(deployed):
    """The deployment; what a test does to it is undone."""
    chain, book = deployed
    with chain.isolate():
        yield chain, book


def of(checks, name):
    return next(check for check in checks if check.name == name)


def test_a_deployment_is_what_the_sources_give(site, compiled):
    checks = build.verify_deployment(*site, compiled)
    assert [check.name for check in checks] == NAMES
    assert all(check.ok for check in checks), [str(check) for check in checks]
    book = of(checks, "Clearinghouse")
    delegate = next(item for item in book.immutables if item.name == "BACK_OFFICE")
    assert (delegate.value, delegate.said) == (site[1].contracts["BackOffice"], "BackOffice")
    assert delegate.expected == delegate.value


def test_one_changed_byte_is_found(site, compiled):
    chain, book = site
    at = book.contracts["RiskOracle"]
    code = bytearray(chain.code(at))
    code[4_321] ^= 1
    chain.set_code(at, bytes(code))
    checks = build.verify_deployment(chain, book, compiled)
    assert [check.name for check in checks if not check.ok] == ["RiskOracle"]
    found = of(checks, "RiskOracle")
    assert (found.verdict, found.at, found.differing) == (build.DIFFERS, 4_321, 1)
    assert found.found == code[4_321:4_329].hex()
    assert str(found).startswith("differs at byte 4321: ")


@pytest.mark.parametrize(
    ("cut", "added", "differing"), [(1, b"", 1), (0, b"\0\0", 2), (4_000, b"", 4_000)], ids=["less", "more", "half"]
)
def test_another_length_is_found(site, compiled, cut, added, differing):
    chain, book = site
    at = book.contracts["Breakers"]
    code = chain.code(at)
    chain.set_code(at, code[: len(code) - cut] + added)
    found = of(build.verify_deployment(chain, book, compiled), "Breakers")
    assert found.verdict == build.DIFFERS
    assert found.at == min(len(code) - cut, len(code))
    if cut < 4_000:  # of a longer cut, the immutables are no more compared
        assert found.differing == differing


def test_an_immutable_that_names_another_is_found(site, compiled):
    chain, book = site
    at = book.contracts["Clearinghouse"]
    chain.set_code(at, chain.code(at)[:-20] + bytes.fromhex(book.contracts["Lens"][2:]))  # its delegate lies last
    found = of(build.verify_deployment(chain, book, compiled), "Clearinghouse")
    assert found.verdict == build.IMMUTABLES
    assert str(found) == f"BACK_OFFICE is {book.contracts['Lens']}, not {book.contracts['BackOffice']}"
    assert next(item for item in found.immutables if not item.ok).said == "Lens"


def test_signatures_of_another_chain_are_found(site, compiled):
    """Code of a chain that forked: its domain is the old chain's."""
    chain, book = site
    elsewhere = [
        build.check_code(compiled[name], chain.code(at), at, chain.chain_id + 1, book)
        for name, at in book.contracts.items()
        if name in {"Exchange", "RiskOracle"}
    ]
    assert [check.verdict for check in elsewhere] == [build.IMMUTABLES] * 2
    wrong = {item.name.rpartition(".")[2] for check in elsewhere for item in check.immutables if not item.ok}
    assert wrong == {"_CACHED_CHAIN_ID", "_CACHED_DOMAIN_SEPARATOR"}


def test_nothing_at_an_address(site, compiled):
    chain, book = site
    chain.set_code(book.contracts["Lens"], b"")
    with pytest.raises(build.NoCodeError, match="no code at Lens 0x"):
        build.verify_deployment(chain, book, compiled)


def test_another_chain(site, compiled):
    chain, book = site
    with pytest.raises(build.WrongChainError, match="of chain 7, the node of 1337"):
        build.verify_deployment(chain, build.Book(7, book.contracts), compiled)


def test_an_unknown_name():
    with pytest.raises(build.UnknownContractError, match=r"unknown contract Clearinghuse; there are .*Clearinghouse"):
        build.known(["Clearinghuse"])


def test_another_compiler(tmp_path):
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "Old.vy").write_text("# pragma version 0.3.10\n")
    (tmp_path / "contracts" / "Free.vy").write_text("x: uint256\n")
    with pytest.raises(build.CompilerVersionError, match=r"Old wants vyper 0\.3\.10, installed is 0\.4\.3"):
        build.compile_clean(["Old"], tmp_path)
    with pytest.raises(build.CompilerVersionError, match="Free names no compiler"):
        build.compile_clean(["Free"], tmp_path)


@pytest.mark.parametrize(
    ("book", "said"),
    [
        ("{", "address book book.json: "),
        ("{}", "contracts are missing"),
        ('{"contracts": {}}', "chain_id is missing"),
        ('{"chain_id": 1, "contracts": {"Lens": "0x12"}}', "'0x12' of Lens is no address"),
    ],
)
def test_what_is_no_address_book(tmp_path, book, said):
    path = tmp_path / "book.json"
    path.write_text(book)
    with pytest.raises(build.BookFileError, match=said):
        build.read_book(path)


def test_an_address_book_with_a_name_of_nobody(tmp_path):
    path = tmp_path / "book.json"
    path.write_text(json.dumps({"chain_id": 1, "contracts": {"Lense": PEOPLE[0]}}))
    with pytest.raises(build.UnknownContractError, match="Lense"):
        build.read_book(path)


def test_a_clean_compilation_is_the_cached_one():
    told = []
    found = build.compile_clean(["LendingCheck", "Mandates"], progress=lambda *args: told.append(args))
    for name, artifact in artifacts.load_all(["LendingCheck", "Mandates"]).items():
        assert (found[name].bytecode, found[name].runtime) == (artifact.bytecode, artifact.runtime)
        assert build.source_hash(found[name]) == build.source_hash(artifact)
    assert [args[:2] for args in told] == [(1, 2), (2, 2)]


def test_a_changed_source_is_other_code(tmp_path):
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")
    path = tmp_path / "contracts" / "Mandates.vy"
    text = path.read_text()
    assert "assert " in text
    path.write_text(text.replace("assert ", "assert not ", 1))
    changed = build.compile_clean(["Mandates"], tmp_path)["Mandates"]
    plain = artifacts.load("Mandates")
    assert build.first_difference(changed.runtime, plain.runtime)[0] is not None
    assert build.source_hash(changed) != build.source_hash(plain)
    path.write_text("# pragma version 0.4.3\nx: uint257\n")
    with pytest.raises(CompileError, match="Mandates does not compile"):
        build.compile_clean(["Mandates"], tmp_path)


def test_kept_artifacts(tmp_path, compiled):
    some = {name: compiled[name] for name in ("Breakers", "Mandates")}
    code = {name: [bytearray(a.bytecode), bytearray(a.runtime)] for name, a in some.items()}
    code["Mandates"][0][7] ^= 0xFF

    def keep():
        kinds = {
            name: {"deploymentBytecode": {"bytecode": "0x" + a.hex()}, "runtimeBytecode": {"bytecode": "0x" + b.hex()}}
            for name, (a, b) in code.items()
        }
        (tmp_path / "__local__.json").write_text(json.dumps({"contractTypes": kinds}))

    keep()
    assert {check.name: check.at for check in build.verify_artifacts(tmp_path, some)} == {
        "Breakers": None,
        "Mandates": 7,
    }
    del code["Breakers"]
    keep()
    with pytest.raises(build.UnknownContractError, match="lacks Breakers; it has Mandates"):
        build.verify_artifacts(tmp_path, some)


def test_what_we_keep_ourselves(compiled):
    some = {"Breakers": compiled["Breakers"]}
    assert build.verify_artifacts(ROOT / "build" / "artifacts", some)[0].ok


def test_a_folder_without_artifacts(tmp_path, compiled):
    with pytest.raises(build.ArtifactsError, match="no artifacts"):
        build.verify_artifacts(tmp_path, compiled)


def test_values_are_read_as_what_they_are():
    assert build.shown((5).to_bytes(32, "big"), "uint256") == "5"
    assert build.shown(b"\xff" * 32, "int256") == "-1"
    assert build.shown((2).to_bytes(32, "big") + b"ab".ljust(32, b"x"), "String[8]") == "ab"
    assert build.shown((1).to_bytes(32, "big"), "bool") == "True"
    assert build.shown(bytes(31) + b"\x01", "contracts/interfaces/IBook.vyi") == "0x" + "0" * 39 + "1"
    assert build.shown(b"\x01" * 32, "address") == "0x" + "01" * 32  # no address: shown whole


@pytest.mark.long
def test_the_same_bytes_in_every_folder_and_under_every_hash_seed():
    first, second = (build.compile_clean(list(CONTRACTS.values()), seed=seed) for seed in ("1", "4242"))
    kept = artifacts.load_all(list(CONTRACTS.values()))
    for name, artifact in first.items():
        for other in (second[name], kept[name]):
            assert (artifact.bytecode, artifact.runtime) == (other.bytecode, other.runtime), name
            assert artifact.layout["code_layout" if "code_layout" in artifact.layout else "storage_layout"], name
        assert build.source_hash(artifact) == build.source_hash(kept[name]), name
