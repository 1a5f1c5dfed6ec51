"""The contract test of models: ours and the template pass it, and each rule finds the model that breaks it."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from plimsoll.risk.conformance import check
from plimsoll.risk.errors import ModelError
from plimsoll.risk.models import EwmaFhs, GlideConfig
from plimsoll.risk.named import OWN, class_of, known, made, recalled

TEMPLATE = Path(__file__).resolve().parents[3] / "docs" / "model-template"


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """The template as if its package were installed: importable, with metadata that name its entry point."""
    folder = tmp_path / "margin_model-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: margin-model\nVersion: 1\n")
    text = (TEMPLATE / "pyproject.toml").read_text()
    assert 'max-move = "margin_model:MaxMove"' in text
    (folder / "entry_points.txt").write_text("[plimsoll.models]\nmax-move = margin_model:MaxMove\n")
    monkeypatch.syspath_prepend(str(TEMPLATE))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("margin_model", None)


@pytest.mark.parametrize("name", OWN)
def test_our_models_conform(name):
    assert [str(found) for found in check(name)] == []


def test_damped_and_slower_models_conform():
    assert not check("ewma-fhs", {"damping": {"floor_share": 1.0, "buffer": 0.25}, "glide": {"max_step": 0.02}})


def test_the_template_is_found_by_its_entry_point_and_conforms(installed):
    assert "max-move" in known()
    assert [str(found) for found in check("max-move", {"multiple": 1.2})] == []
    assert made("max-move", {"multiple": 1.2}).parameters["multiple"] == 1.2


class Lurching(EwmaFhs):
    """Rises at once."""

    def __init__(self, config=None):
        super().__init__(config)
        self.config = type(self.config)(glide=GlideConfig(max_rise=50.0, max_step=50.0))


class Shallow(EwmaFhs):
    """Lets depth fall as far as it fell."""

    def assess(self, snapshot, previous=None):
        now = super().assess(snapshot)
        return {u: replace(found, depth=now[u].depth) for u, found in super().assess(snapshot, previous).items()}


class Jumpy(EwmaFhs):
    """Glides the scan range, and one other number not."""

    field = ""

    def assess(self, snapshot, previous=None):
        found = super().assess(snapshot, previous)
        return found if previous is None else {u: self.jumped(one) for u, one in found.items()}

    def jumped(self, one):
        return replace(one, **{self.field: round(1.11 * getattr(one, self.field))})


class Remembering(EwmaFhs):
    """What it saw changes what it says."""

    seen = 0

    def forecast(self, market):
        type(self).seen += 1
        sigma, wanted, tail = super().forecast(market)
        return sigma, wanted * (1 + 0.01 * self.seen), tail


class Timid(EwmaFhs):
    """Asks the same of every market."""

    def forecast(self, market):
        sigma, _, tail = super().forecast(market)
        return sigma, 0.1, tail


class Priced(EwmaFhs):
    """Measures in the unit of the price."""

    def forecast(self, market):
        sigma, wanted, tail = super().forecast(market)
        return sigma, wanted * (1 + 1e-4 * market.index), tail


class Clumsy(EwmaFhs):
    """Falls over what is missing."""

    def forecast(self, market):
        return super().forecast(market) if market.history.high is not None else {}[market.underlying]


class Loose(EwmaFhs):
    """Posts an IM factor under the call line."""

    def __init__(self, config=None):
        super().__init__(config)
        self.config = type(self.config)(min_im_factor=1.0, im_multiplier=1.0)


class Mute(EwmaFhs):
    __doc__ = ""


class Changed(EwmaFhs):
    """Loses its parameters on the way."""

    @classmethod
    def of(cls, parameters):
        return cls(type(EwmaFhs().config)(level=0.98 if parameters else 0.99))


@pytest.mark.parametrize(
    ("kind", "rule", "said"),
    [
        (Lurching, "gliding", "in a report after 3600 s"),
        (Shallow, "gliding", "together more than the call buffer"),
        (Remembering, "repeatable", "another instance"),
        (Timid, "responsive", "leave the forecast range at 100000"),
        (Priced, "invariant", "another unit"),
        (Clumsy, "forgiving", "an error without a name: KeyError"),
        (Loose, "bounded", "im_factor"),
        (Mute, "named", "no docstring"),
        (Changed, "named", "other parameters"),
    ],
)
def test_each_rule_finds_who_breaks_it(monkeypatch, kind, rule, said):
    monkeypatch.setattr(kind, "name", "broken", raising=False)
    monkeypatch.setitem(OWN, "broken", kind)
    found = check("broken")
    assert any(item.rule == rule and said in item.seen for item in found), [str(item) for item in found]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("psr", "scan range"),
        ("vol_up", "volatility shift up"),
        ("vol_down", "volatility shift down"),
        ("kappa", "concentration"),
        ("som", "short option minimum"),
    ],
)
def test_gliding_looks_at_all_that_maintenance_is_made_of(monkeypatch, field, name):
    monkeypatch.setattr(Jumpy, "name", "broken")
    monkeypatch.setattr(Jumpy, "field", field)
    monkeypatch.setitem(OWN, "broken", Jumpy)
    assert any(item.rule == "gliding" and item.seen.startswith(name) for item in check("broken"))


def test_an_archive_makes_nothing_be_imported(monkeypatch, tmp_path):
    (tmp_path / "trap.py").write_text("raise SystemExit(9)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModelError, match=r"'trap:Model' is unknown here; har-fhs, .* an entry point makes one known"):
        recalled("trap:Model", "1", {})


def test_names_that_lead_nowhere(monkeypatch, installed, tmp_path):
    (tmp_path / "broken_model.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, said in (
        ("nobody", "'nobody' is unknown here; har-fhs, ewma-fhs"),
        ("no.such:Thing", "cannot be imported"),
        ("math:Nothing", "cannot be imported"),
        (".relative:Thing", "cannot be imported: TypeError"),
        ("broken_model:Thing", "cannot be imported: ZeroDivisionError"),
        ("math:pi", "has no name, version, of, assess, parameters"),
        ("plimsoll.risk.models:EwmaFhs", "calls itself 'ewma-fhs'"),
    ):
        with pytest.raises(ModelError, match=said):
            class_of(name)
    with pytest.raises(ModelError, match=r"parameters: wrong is unknown here"):
        made("har-fhs", {"wrong": 1})
    with pytest.raises(ModelError, match="level 7"):
        made("max-move", {"level": 7})
    monkeypatch.setattr("margin_model.MaxMove.of", lambda parameters: parameters["lost"])
    with pytest.raises(ModelError, match=r"max-move .*: KeyError 'lost'"):
        made("max-move")
    monkeypatch.delattr("margin_model.MaxMove")
    with pytest.raises(ModelError, match="entry point margin_model:MaxMove cannot be loaded"):
        class_of("max-move")
