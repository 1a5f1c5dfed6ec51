"""Each interface file says of its contract what the contract says of itself: nothing else holds the two together."""

from pathlib import Path

import pytest

from plimsoll.chain.artifacts import load

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
PAIRS = {
    "IIndexFeed": "IndexFeed",
    "IRiskOracle": "RiskOracle",
    "IClearinghouse": "Clearinghouse",
    "IMandates": "Mandates",
    "IStandingOrders": "StandingOrders",
    "IHistory": "History",
    "IRegistry": "Registry",
    "IInsuranceFund": "InsuranceFund",
}
READS = {"view", "pure"}


def interface(name: str) -> list[dict]:
    """The ABI of an interface file."""
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.output import build_abi_output
    from vyper.compiler.phases import CompilerData

    bundle = FilesystemInputBundle([CONTRACTS])
    return build_abi_output(CompilerData(bundle.load_file(CONTRACTS / "interfaces" / f"{name}.vyi"), bundle))


def typed(entry: dict) -> str:
    """A type, structs spelt out."""
    if not entry["type"].startswith("tuple"):
        return entry["type"]
    return f"({','.join(typed(part) for part in entry['components'])}){entry['type'][5:]}"


def functions(abi: list[dict], *, outputs: bool = True) -> dict[str, tuple]:
    """What a caller relies on, by signature."""
    return {
        f"{entry['name']}({','.join(map(typed, entry['inputs']))})": (
            entry["stateMutability"] in READS,
            tuple(map(typed, entry["outputs"])) if outputs else (),
        )
        for entry in abi
        if entry["type"] == "function"
    }


def events(abi: list[dict]) -> dict[str, list[tuple]]:
    """What a reader of the log relies on, by name."""
    return {
        entry["name"]: [(part["name"], typed(part), part["indexed"]) for part in entry["inputs"]]
        for entry in abi
        if entry["type"] == "event"
    }


@pytest.mark.parametrize("name", PAIRS)
def test_functions(name):
    assert functions(interface(name)).items() <= functions(load(PAIRS[name]).abi).items()


@pytest.mark.parametrize("name", PAIRS)
def test_events(name):
    assert events(interface(name)).items() <= events(load(PAIRS[name]).abi).items()


def test_an_aggregators_round_is_its_five_words():
    said = functions(interface("IAggregatorV3"), outputs=False)
    assert said.items() <= functions(load("MockAggregator").abi, outputs=False).items()
    (declared,) = functions(interface("IAggregatorV3"))["latestRoundData()"][1]
    answered = functions(load("MockAggregator").abi)["latestRoundData()"][1]
    assert (declared, answered) == (
        "(uint256,int256,uint256,uint256,uint256)",
        ("uint80", "int256", "uint256", "uint256", "uint80"),
    )
