"""The command line: what an operator, an auditor or a risk desk types; `plimsoll --help` lists it.

Exit codes: 0 it went well; 1 a check failed (chain and spec differ, a keeper halted, a node or contract refuses); 2 the
input is bad. Errors that have a name are one line on standard error, without a traceback.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import click

from plimsoll import __version__
from plimsoll.chain.errors import ChainError, DeploymentError
from plimsoll.spec.errors import PlimsollError, Refused

if TYPE_CHECKING:
    from rich.console import RenderableType

    from plimsoll.backtest.run import Run
    from plimsoll.chain.deployment import System
    from plimsoll.chain.node import NodeChain
    from plimsoll.keeper.loop import Round
    from plimsoll.keeper.recompute import Said
    from plimsoll.market.bars import Bars
    from plimsoll.simulate.replay import Event, ReplayMarket

OK: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2

DEFAULT_FROM: Final = "2008-09-12"
DEFAULT_TO: Final = "2008-10-17"
DEFAULT_WARM: Final = "2003-01-01"
DAILY: Final = 86_400  # [s]
WARM_DAILY: Final = 5 * 365 * DAILY  # history before a replay of daily bars [s]
WARM_INTRADAY: Final = 300 * DAILY  # and of shorter ones
LONGEST: Final = 600  # bars that a replay of files takes where no range is given
PATIENCE: Final = 2.0  # [s] before there is a bar
QUIET_KINDS: Final = frozenset({"auction"})  # events that the terminal leaves out; the page has them

EPILOG: Final = "Exit codes: 0 it went well; 1 a check failed; 2 the input is bad."


class InputError(PlimsollError):
    """What the command line was given cannot be used."""


class Date(click.ParamType):
    """A day or a minute, UTC; a value is (unix seconds, whether only a day was said)."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, bool]:
        """Parse; the range of four digits of year is what files use."""
        if isinstance(value, tuple):
            return value
        for form, is_day in (("%Y-%m-%d", True), ("%Y-%m-%dT%H:%M", False), ("%Y-%m-%d %H:%M", False)):
            try:
                found = datetime.strptime(str(value), form).replace(tzinfo=UTC)
            except ValueError:
                continue
            return int(found.timestamp()), is_day
        return self.fail(f"{value!r} is no date; 2008-09-02 or 2008-09-02T14:30 is right (UTC)", param, ctx)


DATE: Final = Date()
FILE: Final = click.Path(dir_okay=False, path_type=Path)
FOLDER: Final = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG)
@click.version_option(__version__, prog_name="plimsoll")
def cli() -> None:
    """Margin that follows measured risk, enforced on chain."""


# ---------------------------------------------------------------------------------------------------------------- demo


@cli.command(epilog=EPILOG)
@click.option("--prices", "files", type=FILE, multiple=True, metavar="FILE...", help="OHLCV files (csv, csv.gz).")
@click.argument("more", type=FILE, nargs=-1, metavar="")
@click.option(
    "--from", "start", type=DATE, help=f"First day of the replay. Default: {DEFAULT_FROM}; files: near the end."
)
@click.option("--to", "end", type=DATE, help=f"Last day, included. Default: {DEFAULT_TO}; files: their end.")
@click.option(
    "--warm", type=DATE, help="Where the models' history begins. Default: 5 years before; 300 days for intraday."
)
@click.option("--per-leg", type=click.IntRange(1, 50), help="Steps on each of a bar's three legs.")
@click.option("--out", type=FOLDER, default=Path("build/demo"), show_default=True, help="Where page and picture go.")
@click.option("--nodes/--no-nodes", default=True, show_default=True, help="Three risk nodes as processes; one lies.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output, nothing else there.")
@click.option("--quiet", is_flag=True, help="No progress, no events.")
def demo(
    files: tuple[Path, ...],
    more: tuple[Path, ...],
    start: tuple[int, bool] | None,
    end: tuple[int, bool] | None,
    warm: tuple[int, bool] | None,
    per_leg: int | None,
    out: Path,
    *,
    nodes: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Replay a crash through the real contracts, on a chain in this process.

    Without --prices: the S&P 500 and crude oil in the autumn of 2008, real prices that come with a dependency. Every
    report is recomputed and signed by risk nodes, each a process with its own key, clock and prices; from half time on
    one of them lies. With --no-nodes the keeper signs by itself.

    \b
      plimsoll demo
      plimsoll demo --from 2008-10-01 --to 2008-10-31 --out build/october
      plimsoll demo --prices btc_usdt_spot_1h.csv.gz eth_usdt_spot_1h.csv.gz --from 2020-03-10 --to 2020-03-14
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.report.page import replay_page  # noqa: PLC0415
    from plimsoll.report.plots import replay_figure, save_png, to_png  # noqa: PLC0415 - slow to import
    from plimsoll.report.summary import summarise  # noqa: PLC0415
    from plimsoll.simulate.replay import Replay, ReplayConfig  # noqa: PLC0415

    if more and not files:
        raise click.UsageError(f"{more[0]} stands alone; name price files behind --prices")
    files += more
    markets = _markets(files)
    first, last = _range(markets, start, end, given=bool(files))
    interval = min(market.bars.interval for market in markets)
    history = warm[0] if warm else first - (WARM_DAILY if interval >= DAILY else WARM_INTRADAY)
    if not files and warm is None:
        history = min(history, DATE.convert(DEFAULT_WARM, None, None)[0])
    screen = _Screen(show=not quiet and not as_json)
    replay = Replay(
        markets,
        ReplayConfig(first, last, max(history, 1), per_leg, nodes=nodes),
        on_event=screen.event,
        on_progress=screen.progress,
    )
    with screen:
        outcome = replay.run()
    summary = summarise(outcome)
    figure = replay_figure(outcome)
    png = to_png(figure)
    save_png(figure, out / "replay.png")
    (out / "index.html").write_text(replay_page(summary, png), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(summary, indent=2))
    else:
        screen.result(summary, out)
    return OK if outcome.ok else FAILED


def _markets(files: Sequence[Path]) -> list[ReplayMarket]:
    from plimsoll.market.sources import load_bars, load_sp500, load_wti  # noqa: PLC0415
    from plimsoll.simulate.replay import ReplayMarket  # noqa: PLC0415

    if not files:
        return [ReplayMarket("SPX", load_sp500()), ReplayMarket("WTI", load_wti())]
    names = [path.name.split(".")[0].split("_")[0].upper() or "PRICE" for path in files]
    unique = [name if names.count(name) == 1 else f"{name}{k + 1}" for k, name in enumerate(names)]
    return [ReplayMarket(name, load_bars(path)) for name, path in zip(unique, files, strict=True)]


def _range(
    markets: Sequence[ReplayMarket], start: tuple[int, bool] | None, end: tuple[int, bool] | None, *, given: bool
) -> tuple[int, int]:
    """First and last moment of the replay [unix s]; a day given as the end is included."""
    bars: list[Bars] = [market.bars for market in markets]
    if end is not None:
        last = end[0] + (DAILY if end[1] else 0)
    elif given:
        last = min(int(b.time[-1]) for b in bars) + 1
    else:
        last = DATE.convert(DEFAULT_TO, None, None)[0] + DAILY
    if start is not None:
        first = start[0]
    elif given:
        counts = [int((b.time < last).sum()) for b in bars]
        first = max(int(b.time[max(0, n - min(LONGEST, n // 3))]) for b, n in zip(bars, counts, strict=True) if n > 0)
    else:
        first = DATE.convert(DEFAULT_FROM, None, None)[0]
    if first >= last:
        raise InputError(f"the replay would end ({_moment(last)}) before it begins ({_moment(first)})")
    return first, last


def _moment(time: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time)).strftime("%Y-%m-%d %H:%M")


class _Screen:
    """What a replay shows while it runs; nothing where it should not."""

    def __init__(self, *, show: bool) -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self.console = Console(highlight=False)
        self.show = show
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=40),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not show,
        )
        self._task = self._progress.add_task("setting up", total=1.0)

    def __enter__(self) -> None:
        if self.show:
            self._progress.start()

    def __exit__(self, *_: object) -> None:
        if self.show:
            self._progress.stop()

    def event(self, event: Event) -> None:
        """One line for what matters."""
        from plimsoll.report.tables import event_line  # noqa: PLC0415

        if self.show and event.kind not in QUIET_KINDS:
            self._progress.console.print(event_line(event), soft_wrap=True)

    def progress(self, share: float, time: int) -> None:
        """The bar."""
        if self.show:
            self._progress.update(self._task, completed=share, description=_moment(time)[:10])

    def result(self, summary: dict[str, Any], out: Path) -> None:
        """The tables at the end, and where the rest is."""
        from plimsoll.report.tables import coverage_table, result_table  # noqa: PLC0415

        self.console.print()
        self.console.print(result_table(summary))
        self.console.print()
        self.console.print(coverage_table(summary))
        self.console.print()
        self.console.print(f"page     {out / 'index.html'}\npicture  {out / 'replay.png'}", soft_wrap=True)


# -------------------------------------------------------------------------------------------------------------- keeper


@cli.command(epilog=EPILOG)
@click.option("--settings", type=FILE, required=True, help="Settings file; see plimsoll/keeper/settings.py.")
@click.option("--once", is_flag=True, help="One round.")
@click.option("--dry-run", is_flag=True, help="Decide and record, send nothing.")
@click.option("--urgent", is_flag=True, help="With --once: ask for an urgent report, which more nodes sign.")
@click.option("--json", "as_json", is_flag=True, help="Each round as one line of JSON.")
def keeper(settings: Path, *, once: bool, dry_run: bool, urgent: bool, as_json: bool) -> int:
    """Run the loop: ingest, assess, report, post, enforce, observe.

    \b
      plimsoll keeper --settings keeper.yaml --once --dry-run
      plimsoll keeper --settings keeper.yaml
      plimsoll keeper --settings keeper.yaml --once --urgent
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.keeper.build import build_keeper  # noqa: PLC0415
    from plimsoll.keeper.errors import Halted  # noqa: PLC0415
    from plimsoll.keeper.settings import load_settings  # noqa: PLC0415

    if urgent and not once:
        raise click.UsageError("--urgent goes with --once: somebody decides each time")
    found = load_settings(settings)
    loop = build_keeper(found, dry_run=dry_run, urgent=urgent)
    if found.metrics_port is not None and not once:
        port = loop.metrics.serve(found.metrics_port)
        click.echo(f"metrics on http://127.0.0.1:{port}/metrics", err=True)
    try:
        loop.run(1 if once else None, on_round=lambda done: click.echo(_round_text(done, as_json=as_json)))
    except Halted as halted:
        click.echo(f"plimsoll: halted: {halted}", err=True)
        return FAILED
    except KeyboardInterrupt:
        return OK
    return OK if loop.failures == 0 else FAILED


def _round_text(done: Round, *, as_json: bool) -> str:
    steps = [{"account": hex(step.account), "step": step.step.value, "error": step.error} for step in done.steps] + [
        {"account": hex(account), "step": step, "planned": True} for account, step in done.planned
    ]
    if as_json:
        return json.dumps(
            {
                "time": done.time,
                "sequence": done.held.sequence if done.held else None,
                "reasons": [str(reason) for reason in done.reasons],
                "posted": done.posted.sequence if done.posted and done.posted.ok else None,
                "gas": done.posted.gas if done.posted else 0,
                "steps": steps,
                "chores": [{"name": chore.name, "error": chore.error} for chore in done.chores],
                "error": done.error,
            }
        )
    posted = f"posted report {done.posted.sequence}" if done.posted and done.posted.ok else "nothing posted"
    why = f" ({'; '.join(map(str, done.reasons))})" if done.reasons else ""
    acted = f", {len(steps)} liquidation steps" if steps else ""
    acted += f", {len(done.chores)} chores" if done.chores else ""
    return f"{_moment(done.time)}  {posted}{why}{acted}" + (f"  FAILED: {done.error}" if done.error else "")


# ---------------------------------------------------------------------------------------------------------------- node


@cli.command(epilog=EPILOG)
@click.option("--settings", type=FILE, required=True, help="Settings file; see plimsoll/keeper/cosigner.py.")
@click.option("--once", is_flag=True, help="Look once and say what this node would sign; listen to nobody.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def node(settings: Path, *, once: bool, as_json: bool) -> int:
    """Run a risk node: recompute what a proposer asks it to sign, and sign only what it finds itself.

    \b
      plimsoll node --settings node.yaml --once
      plimsoll node --settings node.yaml
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.keeper.cosigner import build_node, load_node_settings  # noqa: PLC0415
    from plimsoll.nodes.service import Service  # noqa: PLC0415

    found = load_node_settings(settings)
    signer = build_node(found)
    if once:
        sight = signer.observer.look()
        built = signer.engine.report(sight.snapshot(sight.now), sight.previous, sight.sequence + 1, rails=sight.rails)
        said = {
            "signer": signer.address,
            "oracle": signer.oracle,
            "sequence": built.report.sequence,
            "market_time": built.report.market_time,
            "margin": {str(u): {"mm": r.mm, "im": r.im, "psr": r.psr} for u, r in built.summary.items()},
        }
        if as_json:
            click.echo(json.dumps(said))
            return OK
        click.echo(f"{signer.address} would sign report {said['sequence']}, {_moment(built.report.market_time)} UTC")
        for underlying, rate in built.summary.items():
            click.echo(f"{underlying:<12} MM {rate.mm:.2%}  IM {rate.im:.2%}  scan range {rate.psr:.2%}")
        return OK
    try:
        service = Service(signer, found.listen.host, found.listen.port, found.listen.timeout)
    except OSError as error:
        raise InputError(f"listen {found.listen.host}:{found.listen.port}: {error.strerror or error}") from error
    what = {"listening": service.url, "signer": signer.address, "oracle": signer.oracle, "chain_id": signer.chain_id}
    click.echo(json.dumps(what) if as_json else f"{signer.address} listens on {service.url}")
    signal.signal(signal.SIGTERM, lambda *_: _interrupt())
    try:
        service.serve_forever()
    except KeyboardInterrupt:
        return OK
    finally:
        service.server_close()
    return OK


def _interrupt() -> None:
    """Stop as by hand: every promise is on disk."""
    raise KeyboardInterrupt


# -------------------------------------------------------------------------------------------------------------- report


@cli.command(epilog=EPILOG)
@click.argument("snapshot", type=FILE)
@click.option("--sequence", type=click.IntRange(1, 2**64 - 1), default=1, show_default=True, help="Of the report.")
@click.option("--chain-id", type=click.IntRange(1), help="With --oracle: show the digest that signers sign.")
@click.option("--oracle", help="Address of the RiskOracle.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def report(snapshot: Path, sequence: int, chain_id: int | None, oracle: str | None, *, as_json: bool) -> int:
    """Show what a first report of a SNAPSHOT says; `plimsoll replay` recomputes one that was posted.

    \b
      plimsoll report snapshot.json.gz
      plimsoll report snapshot.json.gz --sequence 12 --chain-id 1 --oracle 0x...
    """  # noqa: D301 - \b is what click wants: keep these lines
    from eth_utils.address import is_address  # noqa: PLC0415

    from plimsoll.market.snapshot import Snapshot  # noqa: PLC0415
    from plimsoll.risk.engine import Engine  # noqa: PLC0415
    from plimsoll.risk.models import EwmaFhs  # noqa: PLC0415
    from plimsoll.spec.report import digest  # noqa: PLC0415

    if (chain_id is None) != (oracle is None):
        raise InputError("--chain-id and --oracle go together")
    if oracle is not None and not is_address(oracle):
        raise InputError(f"--oracle {oracle} is no address")
    loaded = Snapshot.load(snapshot)
    built = Engine(EwmaFhs()).report(loaded, sequence=sequence)
    said: dict[str, Any] = {
        "sequence": built.report.sequence,
        "market_time": built.report.market_time,
        "model": "0x" + built.report.model.hex(),
        "config": "0x" + built.report.config.hex(),
        "snapshot": "0x" + built.report.snapshot.hex(),
        "surfaces": ["0x" + code_hash.hex() for code_hash in built.report.surfaces],
        "rows": sum(len(surface.rows) for surface in built.surfaces),
        "margin": {
            loaded.market(u).name or str(u): {"mm": r.mm, "im": r.im, "psr": r.psr, "volatility": r.volatility}
            for u, r in built.summary.items()
        },
    }
    if chain_id is not None and oracle is not None:
        said["digest"] = "0x" + digest(built.report, chain_id, oracle).hex()
    if as_json:
        click.echo(json.dumps(said, indent=2))
        return OK
    for name in ("sequence", "model", "config", "snapshot", "digest"):
        if name in said:
            click.echo(f"{name:<12} {said[name]}")
    click.echo(f"{'time':<12} {_moment(built.report.market_time)} UTC")
    click.echo(f"{'surfaces':<12} {len(built.surfaces)}, rows {said['rows']}")
    for name, rate in said["margin"].items():
        click.echo(
            f"{name:<12} MM {rate['mm']:.2%}  IM {rate['im']:.2%}  scan range {rate['psr']:.2%}  "
            f"volatility {rate['volatility']:.1%} a year"
        )
    return OK


# -------------------------------------------------------------------------------------------------------------- replay


@cli.command(epilog=EPILOG)
@click.argument("report", metavar="REPORT|TX")
@click.option(
    "--archive", type=FOLDER, default=Path("build/reports"), show_default=True, help="Where reports are kept."
)
@click.option("--node", metavar="URL", help="With a TX: the node's HTTP endpoint.")
@click.option("--book", type=FILE, help="With a TX: the address book, as `ape run deploy` writes it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def replay(report: str, archive: Path, node: str | None, book: Path | None, *, as_json: bool) -> int:
    """Recompute a report from its archived snapshot: equal to the byte, or every number that differs.

    REPORT is a sequence number, a digest, or the path of an archived report. With --node and --book, a TX is the hash
    of the transaction that posted one: what stands on chain is then compared, and the archive gives the snapshot.

    \b
      plimsoll replay 12
      plimsoll replay 0x5d2c... --archive build/reports
      plimsoll replay 0x91af... --node http://127.0.0.1:8545 --book build/deployments/book.json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.keeper.archive import Archive, open_report  # noqa: PLC0415
    from plimsoll.keeper.recompute import Said, differences  # noqa: PLC0415
    from plimsoll.risk.plain import to_plain  # noqa: PLC0415

    if (node is None) != (book is None):
        raise InputError("--node and --book go together")
    said: Said | None = None
    if node is not None and book is not None:
        said, signed = _posted(report, node, book)
        kept = Archive(archive)
        entry = kept.find(signed)
    elif report.endswith(".json"):
        kept, entry = open_report(Path(report))
    else:
        kept = Archive(archive)
        entry = kept.find(report)
    record = kept.load(entry)
    built = record.recompute(kept.snapshot(record.report.snapshot))
    wrong = differences(said or Said(record.report, record.codes), built)
    if as_json:
        found = {
            "equal": not wrong,
            "sequence": record.report.sequence,
            "digest": "0x" + record.digest.hex(),
            "chain_id": record.chain_id,
            "oracle": record.oracle,
            "transaction": report if said else entry.transaction,
            "model": f"{record.model.name}/{record.model.version}",
            "release": record.release,
            "differences": [to_plain(item) for item in wrong],
        }
        click.echo(json.dumps(found, indent=2))
        return FAILED if wrong else OK
    click.echo(
        f"report {record.report.sequence}, {_moment(record.report.market_time)} UTC, {len(record.codes)} surfaces"
    )
    for item in wrong:
        click.echo(str(item))
    if wrong and record.release != __version__:
        click.echo(f"it was made by release {record.release}; this is {__version__}")
    click.echo(f"{len(wrong)} numbers differ" if wrong else "equal")
    return FAILED if wrong else OK


def _posted(transaction: str, node: str, book: Path) -> tuple[Said, str]:
    """The report that a transaction posted, and its digest as text."""
    from plimsoll.keeper.recompute import posted  # noqa: PLC0415
    from plimsoll.spec.report import digest  # noqa: PLC0415

    if not (transaction.startswith("0x") and len(transaction) == 66):
        raise InputError(f"{transaction} is no transaction; with --node and --book, a hash of 32 bytes, 0x.., is right")
    chain, system = _deployed(node, book)
    said = posted(system, chain.receipt(transaction))
    return said, "0x" + digest(said.report, chain.chain_id, system.oracle.address).hex()


def _deployed(node: str, book: Path) -> tuple[NodeChain, System]:
    """The node at a URL, and the deployment there that an address book names."""
    from plimsoll.chain.deployment import load_book  # noqa: PLC0415 - web3 is slow to import
    from plimsoll.chain.node import NodeChain  # noqa: PLC0415

    if not node.startswith(("http://", "https://")):
        raise InputError(f"--node {node} is no URL; http://127.0.0.1:8545 is right")
    if not book.is_file():
        raise InputError(f"--book {book}: no such file; `ape run deploy` writes one")
    chain = NodeChain(node)
    return chain, load_book(book, chain)


def _show(plain: Any, tables: Callable[[], RenderableType], width: int, *, as_json: bool) -> None:
    """Plain values as JSON, or tables: as wide as the terminal, or `width` where there is none."""
    if as_json:
        click.echo(json.dumps(plain, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415

    Console(highlight=False, width=None if sys.stdout.isatty() else width).print(tables())


# ------------------------------------------------------------------------------------------------------------- account


@cli.command(epilog=EPILOG)
@click.argument("account")
@click.option("--node", required=True, metavar="URL", help="The node's HTTP endpoint.")
@click.option("--book", type=FILE, required=True, help="Address book, as `ape run deploy` writes it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: amounts are decimal text with all their digits.")
def account(account: str, node: str, book: Path, *, as_json: bool) -> int:
    """Show an ACCOUNT: its state, equities and margins, positions, what each underlying adds, Greeks.

    ACCOUNT is a number (decimal or 0x), an owner's address, or address:number.

    \b
      plimsoll account 0xf39F...2266 --node http://127.0.0.1:8545 --book build/deployments/ethereum-local-1337.json
      plimsoll account 0xf39F...2266:7 --node http://127.0.0.1:8545 --book build/deployments/book.json --json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.report.account import account_tables, parse_account, read_account  # noqa: PLC0415

    number = parse_account(account)
    found = read_account(_deployed(node, book)[1], number)
    _show(found, lambda: account_tables(found), 100, as_json=as_json)
    return OK


# ------------------------------------------------------------------------------------------------------------ solvency


@cli.command(epilog=EPILOG)
@click.option("--node", required=True, metavar="URL", help="The node's HTTP endpoint.")
@click.option("--book", type=FILE, required=True, help="Address book, as `ape run deploy` writes it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: amounts are decimal text with all their digits.")
def solvency(node: str, book: Path, *, as_json: bool) -> int:
    """Show whether the system can pay: tokens held against owed, and what accounts would lack in every lane.

    All accounts that events named are read. It fails where a token is short, bad debt is not on record, an account
    cannot be assessed, or the fund does not cover what accounts lack together in a lane.

    \b
      plimsoll solvency --node http://127.0.0.1:8545 --book build/deployments/ethereum-local-1337.json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.chain.deployment import book_block  # noqa: PLC0415 - web3 is slow to import
    from plimsoll.keeper.accounts import AccountWatcher  # noqa: PLC0415
    from plimsoll.report.solvency import read_solvency, solvency_tables  # noqa: PLC0415

    _, system = _deployed(node, book)
    with _LateBar("accounts") as bar:
        found = read_solvency(system, AccountWatcher(system, book_block(book)).update(), bar.progress)
    _show(found, lambda: solvency_tables(found), 120, as_json=as_json)
    return FAILED if found["failures"] else OK


class _LateBar:
    """A progress bar on standard error, of what takes longer than two seconds and has somebody looking."""

    def __init__(self, what: str = "") -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import Progress  # noqa: PLC0415

        self._progress = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
        self._task = self._progress.add_task(what, total=None)
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def progress(self, done: int, of: int, what: str | None = None) -> None:
        """So much is done; `what` is under way, where that changes."""
        self._progress.update(self._task, completed=done, total=of, description=what)
        if time.monotonic() - self._begun > PATIENCE:
            self._progress.start()


# ------------------------------------------------------------------------------------------------------------- compare


@cli.command(epilog=EPILOG)
@click.argument("book", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="As JSON: all parts of every requirement.")
def compare(book: Path, *, as_json: bool) -> int:
    """Show what we ask of a BOOK beside what classic SPAN, PMRM2, a Deribit-style matrix and static margin would.

    BOOK is a JSON file of a time, cash, underlyings and positions; docs/book.example.json is one. An underlying has a
    spot, and either a scan_range (0.12: our lanes reach 12 % either way) or prices, an OHLCV file beside the book that
    our model measures it on; it may have perp, forwards (expiry: price), volatility and depth. A position has an
    underlying, a kind (perp, future, call, put, spot) and a quantity; dated kinds have an expiry, options a strike, and
    a volatility here or at their underlying. Times are 2026-01-30T08:00Z or unix seconds.

    \b
      plimsoll compare docs/book.example.json
      plimsoll compare book.json --json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.report.compare import compare as compared  # noqa: PLC0415 - scipy is slow to import
    from plimsoll.report.compare import compare_tables  # noqa: PLC0415
    from plimsoll.risk.reference.book import Book  # noqa: PLC0415

    found = compared(Book.load(book))
    _show(found, lambda: compare_tables(found), 120, as_json=as_json)
    return OK


# ------------------------------------------------------------------------------------------------------------ backtest


@cli.command(epilog=EPILOG)
@click.argument("prices", nargs=-1, type=FILE)
@click.option("--model", "models", multiple=True, help="A model; may be repeated, the one to publish first. [all]")
@click.option("--hours", "horizons", multiple=True, type=click.IntRange(1, 240), help="A horizon [h]. [1, 8, 24]")
@click.option("--level", type=float, default=0.99, show_default=True, help="Share of moves that margins cover.")
@click.option("--out", type=FOLDER, help="Write backtest.html, with pictures, and backtest.json here.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: every cell of every model.")
def backtest(
    prices: tuple[Path, ...],
    models: tuple[str, ...],
    horizons: tuple[int, ...],
    level: float,
    out: Path | None,
    *,
    as_json: bool,
) -> int:
    """Judge the margins of models on PRICES, walk-forward: what they would have covered, cost, and how they moved.

    PRICES are OHLCV files of hourly bars, two years and a month of them at least; without any, the recorded BTC and ETH
    of the folder that PLIMSOLL_DATA names. Models are har-fhs, ewma-94, ewma-97-fhs and garch-t.

    \b
      plimsoll backtest --out build/backtest
      plimsoll backtest btc.csv.gz --model har-fhs --hours 8
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.backtest.run import recorded  # noqa: PLC0415 - scipy is slow to import
    from plimsoll.backtest.run import run as backtested  # noqa: PLC0415
    from plimsoll.backtest.walk import MODELS  # noqa: PLC0415
    from plimsoll.market.sources import load_bars  # noqa: PLC0415
    from plimsoll.report.backtest import backtest_tables, plain_of  # noqa: PLC0415

    named = {path.name.partition("_")[0].partition(".")[0].upper(): path for path in prices}
    if len(named) < len(prices):
        raise InputError("two files of prices have the same name up to its first _ or .; one asset a file is right")
    assets = {name: load_bars(path) for name, path in named.items()} if prices else recorded()
    with _LateBar() as bar:
        found = backtested(
            assets,
            models or tuple(MODELS),
            [3_600 * hours for hours in horizons or (1, 8, 24)],
            level,
            frontier=out is not None,
            on_progress=bar.progress,
        )
    plain = plain_of(found.records, found.summaries)
    if out is not None:
        _write_backtest(out, assets, found, plain)
    _show(plain, lambda: backtest_tables(found.records, found.summaries), 170, as_json=as_json)
    if out is not None and not as_json:
        click.echo(f"written to {out / 'backtest.html'}")
    return OK


def _write_backtest(out: Path, assets: Mapping[str, Bars], found: Run, plain: dict[str, Any]) -> None:
    """The page and the numbers."""
    from plimsoll.report.backtest import backtest_page, margin_figure  # noqa: PLC0415 - matplotlib is slow to import

    first = found.summaries[0].model
    longest = max(record.horizon for record in found.records)
    pictures = {
        f"{name}: margins for {longest // 3_600} h, a day": margin_figure(
            bars, {first: found.margins[first, name, longest]}, longest
        )
        for name, bars in assets.items()
    }
    ranges = {name: (int(bars.time[0]), int(bars.time[-1])) for name, bars in assets.items()}
    out.mkdir(parents=True, exist_ok=True)
    page = backtest_page(found.records, found.summaries, found.points, pictures, ranges)
    (out / "backtest.html").write_text(page, encoding="utf-8")
    (out / "backtest.json").write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------- figures


@cli.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
    epilog=EPILOG,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def figures(arguments: tuple[str, ...]) -> int:
    """The figures of the README; `plimsoll figures --help` says more."""
    try:
        from plimsoll.figures import main as run  # noqa: PLC0415 - heavy, and may not be there
    except ImportError as error:
        raise InputError(f"the figures cannot be made here: {error}") from error
    return int(run(list(arguments)) or 0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code."""
    try:
        code = cli.main(
            args=None if arguments is None else list(arguments), prog_name="plimsoll", standalone_mode=False
        )
    except click.UsageError as error:
        error.show()
        code = BAD_INPUT
    except click.Abort:
        code = FAILED
    except click.ClickException as error:
        error.show()
        code = BAD_INPUT
    except PlimsollError as error:
        click.echo(f"plimsoll: {type(error).__name__}: {str(error) or 'no reason given'}", err=True)
        code = (
            FAILED if isinstance(error, (Refused, ChainError)) and not isinstance(error, DeploymentError) else BAD_INPUT
        )
    sys.exit(code)


if __name__ == "__main__":
    main()
