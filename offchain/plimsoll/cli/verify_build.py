"""`plimsoll verify-build`: whether the code on a chain is what these sources give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plimsoll.cli.base import EPILOG, FAILED, FILE, FOLDER, OK, InputError, LateBar, cli, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from plimsoll.chain.build import Book, BuildCheck
    from plimsoll.chain.protocol import Chain


@cli.command("verify-build", epilog=EPILOG)
@click.option("--node", help="URL of a node; without one, a deployment made in this process is looked at.")
@click.option("--book", type=FILE, help="The address book at that node.")
@click.option("--contract", "names", multiple=True, help="Only this contract; may be given again.")
@click.option("--artifacts", "folder", type=FOLDER, help="Compiled code to check too: .build, or build/artifacts.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Compilers at once.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def verify_build(
    node: str | None, book: Path | None, names: tuple[str, ...], folder: Path | None, jobs: int, *, as_json: bool
) -> int:
    """Recompile the contracts from their sources in an empty folder, and compare with the code on a chain.

    A contract is identical, or differs at a byte, or has immutables that are not what the address book says; every
    immutable is shown. The delegate behind the Clearinghouse is a contract like the others. It fails where anything is
    not identical. With --artifacts alone only those are compared.

    \b
      plimsoll verify-build
      plimsoll verify-build --node http://127.0.0.1:8545 --book deployments/local.json
      plimsoll verify-build --artifacts .build --json
      plimsoll verify-build --contract RiskOracle --contract BackOffice
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.chain import build  # noqa: PLC0415 - the chain layer is slow to import
    from plimsoll.chain.deployment import CONTRACTS  # noqa: PLC0415

    if (node is None) != (book is None):
        raise InputError("--node and --book go together: an address book is of one chain")
    build.known(names)
    told: tuple[Chain, Book] | None = None
    if node is not None and book is not None:
        told = _at_node(node, book)
        if missing := set(names) - set(told[1].contracts):
            raise build.UnknownContractError(f"the address book has no {', '.join(sorted(missing))}")
    elif folder is None:
        told = _embedded()
    listed = tuple(CONTRACTS.values()) if told is None else tuple(told[1].contracts)
    with LateBar("compiling") as bar:
        compiled = build.compile_clean(
            [name for name in listed if not names or name in names], jobs=jobs, progress=bar.progress
        )
    sections = {}
    if told is not None:
        sections["chain"] = build.verify_deployment(*told, compiled)
    if folder is not None:
        sections["artifacts"] = build.verify_artifacts(folder, compiled)
    ok = all(check.ok for checks in sections.values() for check in checks)
    made = build.provenance()
    where = "embedded" if told is not None and node is None else node
    plain = {
        "ok": ok,
        "chain_id": None if told is None else told[1].chain_id,
        "where": where,
        "made_with": made,
        **{name: [_plain(check) for check in checks] for name, checks in sections.items()},
    }
    show(plain, lambda: _tables(sections, made), 160, as_json=as_json)
    return OK if ok else FAILED


def _at_node(node: str, path: Path) -> tuple[Chain, Book]:
    from plimsoll.chain import build  # noqa: PLC0415 - the chain layer is slow to import
    from plimsoll.chain.node import NodeChain  # noqa: PLC0415 - web3 is slow to import

    if not node.startswith(("http://", "https://")):
        raise InputError(f"--node {node} is no URL; http://127.0.0.1:8545 is right")
    book = build.read_book(path)
    chain = NodeChain(node)
    if book.chain_id != chain.chain_id:
        raise build.WrongChainError(
            f"address book {path.name} is of chain {book.chain_id}, the node of {chain.chain_id}"
        )
    return chain, book


def _embedded() -> tuple[Chain, Book]:
    """A deployment made here, from the cache of compiled contracts that tests and simulations use."""
    from plimsoll.chain.build import Book  # noqa: PLC0415 - the chain layer is slow to import
    from plimsoll.chain.deployment import CONTRACTS, SystemConfig, deploy_system  # noqa: PLC0415
    from plimsoll.chain.embedded import EmbeddedChain  # noqa: PLC0415

    chain = EmbeddedChain()
    people = [f"0x{number:040x}" for number in (0xA11CE, 0xB0B)]
    system = deploy_system(chain, SystemConfig(people[0], people, 2))
    there = {name: getattr(system, key) for key, name in CONTRACTS.items()}
    return chain, Book(
        chain.chain_id,
        {name: contract.address for name, contract in there.items() if contract is not None},
        {"quote": system.quote.address},
    )


def _plain(check: BuildCheck) -> dict[str, Any]:
    return {
        "contract": check.name,
        "at": check.address,
        "verdict": check.verdict,
        "said": str(check),
        "byte": check.at,
        "differing": check.differing,
        "size": check.size,
        "code_hash": check.code_hash,
        "sources": check.sources,
        "optimize": check.optimize,
        "immutables": [
            {"name": item.name, "value": item.value, "expected": item.expected, "is": item.said, "ok": item.ok}
            for item in check.immutables
        ],
    }


def _tables(
    sections: dict[str, Sequence[BuildCheck]] | dict[str, list[BuildCheck]], made: dict[str, Any]
) -> RenderableType:
    """A line a contract, its immutables below; at the end what it was made with."""
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black")
    for name in ("", "contract", "at", "bytes"):
        table.add_column(name, no_wrap=True)
    table.add_column("found", overflow="fold")
    for checks in sections.values():
        for check in checks:
            sign = Text("ok", style="green") if check.ok else Text("FAILS", style="bold red")
            table.add_row(sign, check.name, check.address, str(check.size), str(check))
            for item in check.immutables:
                said = f"{item.name} = {item.value}" + (f" ({item.said})" if item.said else "")
                style = "bright_black" if item.ok else "red"
                table.add_row("", "", "", "", Text(said if item.ok else f"{said}, not {item.expected}", style=style))
    dirty = {None: "no repository"}.get(made["dirty"]) if made["dirty"] is None else ", ".join(made["dirty"])
    foot = (
        f"vyper {made['vyper']}, snekmate {made['snekmate']}, evm {made['evm']}; commit {made['commit'] or 'unknown'}; "
        f"contracts changed since: {dirty or 'none'}"
    )
    return Group(table, Text(foot))
