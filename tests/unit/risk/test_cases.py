"""Every worked case from outside, and the test that holds us to it: none is missing, none has lost its figures.

Sources are named in the tests. The standards on procyclicality that the list of cases ends with (EMIR RTS 153/2013,
art. 28; CPMI-IOSCO d590) give rules without figures, so there is nothing of theirs to compare here.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
SPAN = "unit/risk/reference/test_span.py"
PMRM = "unit/risk/reference/test_pmrm.py"
DERIBIT = "unit/risk/reference/test_deribit.py"
OKX = "unit/risk/reference/test_okx.py"
SIMM = "unit/risk/reference/test_simm.py"
COVERAGE = "unit/backtest/test_coverage.py"
VOLATILITY = "unit/risk/test_volatility.py"
BLACK = "unit/risk/test_black.py"
DATA = "unit/risk/test_cases_data.py"

# case, file, test, figures that the file must hold as they were published
CASES = (
    ("SPAN, covered write: scan risk 10,000, 3,990, 6,620", SPAN, "test_covered_write", "10000 3990 6620"),
    (
        "the same through our integers",
        "unit/risk/test_span.py",
        "test_scan_risk_of_the_covered_write",
        "10000 3990 6620",
    ),
    ("SPAN, its sixteen scenarios in order", SPAN, "test_the_books_future_has_our_scenarios", "3330 6670 7000"),
    ("NSE array of a NIFTY future, to 0.02", SPAN, "test_a_real_array", "2235.635 -736.49 2226.91 1568.00 168327"),
    ("the same from spot, forward and scan", SPAN, "test_a_real_array_from_prices", "24051.80 2234.01"),
    ("the same through our lanes", "unit/risk/test_scenarios.py", "test_moves_of_a_real_array", "2244.36"),
    ("SPAN, composite-delta weights", SPAN, "test_composite_delta_weights", "0.270 0.217 0.111 0.037"),
    ("SPAN, assembly", SPAN, "test_assembly", ""),
    ("SPAN, long options need nothing", SPAN, "test_long_options_need_nothing", ""),
    ("SPAN, array of the short", SPAN, "test_the_array_of_the_short_is_the_negative", ""),
    ("PMRM2, its 33 scenarios and dampings", PMRM, "test_the_listed_scenarios", "0.2772 0.03465 0.02772"),
    ("PMRM2, volatility shifts", PMRM, "test_shifts", ""),
    ("PMRM2, +1 perpetual", PMRM, "test_a_long_perpetual", "-558.0 -608.0 -481.4"),
    ("PMRM2, -1 call", PMRM, "test_a_short_call", "-14604.048120144837 -11824.858703959073"),
    ("PMRM2, parts of the call", PMRM, "test_the_parts_of_the_short_call", ""),
    ("Deribit, shock of volatility", DERIBIT, "test_shock_of_volatility", "46.78"),
    ("Deribit, shock of 2018", DERIBIT, "test_shock_of_volatility_in_2018", ""),
    ("Deribit, short call", DERIBIT, "test_standard_short_call", ""),
    ("Deribit, matrix and extended table", DERIBIT, "test_the_matrix_has_nine_even_steps_and_far_moves", "0.16 -0.66"),
    ("OKX, assembly", OKX, "test_assembly", ""),
    ("OKX, size tiers", OKX, "test_tiers", "250000 500000 1000000 2000000 3000000 4000000"),
    ("OKX, spot shocks and extreme", OKX, "test_shocks", "-0.12 -0.08 -0.04"),
    ("SIMM, delta margin", SIMM, "test_by_hand", ""),
    ("SIMM, term by term", SIMM, "test_it_is_the_formula_term_by_term", ""),
    ("SIMM, concentration", SIMM, "test_concentration", ""),
    (
        "Kupiec, table of what is not rejected",
        COVERAGE,
        "test_kupiecs_table_of_what_is_not_rejected",
        "255 510 1000 81 120",
    ),
    ("Kupiec, LR", COVERAGE, "test_kupiecs_statistic", "3.498777 3.912551 5.025168 3.841"),
    ("Kupiec, x = 0", COVERAGE, "test_no_exception_and_nothing_but_exceptions", ""),
    ("Christoffersen, LR_ind and LR_cc", COVERAGE, "test_christoffersens_statistics", "9.529569 13.442120"),
    ("Basel zones", COVERAGE, "test_basels_zones", ""),
    (
        "tails, normal and Student t",
        VOLATILITY,
        "test_tails_from_the_books",
        "2.3263478740 2.6652142203 2.3378027922 3.7469473880 5.2205841945",
    ),
    ("EWMA", VOLATILITY, "test_ewma_by_hand", "1.18e-4 1.6492e-4"),
    (
        "European options",
        BLACK,
        "test_values_from_haug",
        "2.1334 2.4648 1.7011 0.0205 1.8734 9.9413 0.9474 4.3693 11.1381 12.2149 6.6997 3.2734",
    ),
    ("SVI, total variance", "unit/risk/test_svi.py", "test_total_variance_of_the_librarys_case", "0.010573"),
    ("measured, quantiles", DATA, "test_quantiles_of_a_day", "-11.45 11.98 -14.45 14.51"),
    ("measured, expected shortfall", DATA, "test_expected_shortfall_of_a_day", "13.24 15.90"),
    ("measured, worst lows", DATA, "test_worst_low_within_hours", "-24.5 -34.8 -50.6 -28.0 -36.5 -53.3"),
    ("measured, Gaussian EWMA", DATA, "test_gaussian_ewma_on_btc", "59 2808 28 12.07 371"),
    ("measured, GARCH", DATA, "test_garch_on_btc_sits_at_the_integrated_boundary", "0.072 0.928 3.2"),
    ("measured, correlation", DATA, "test_rolling_correlation", "0.815 0.618 0.382"),
    ("measured, depth", DATA, "test_depth", "3.4 0.96"),
)


@cache
def read(file):
    text = (TESTS / file).read_text()
    found = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    return text.replace("_", ""), found


@pytest.mark.parametrize(("case", "file", "name", "figures"), CASES, ids=[case[0] for case in CASES])
def test_the_case_has_its_test_with_its_figures(case, file, name, figures):
    text, tests = read(file)
    assert name in tests, f"{case}: {file} has no {name}"
    marks = [ast.unparse(mark) for mark in tests[name].decorator_list]
    assert not [mark for mark in marks if "skip" in mark or "xfail" in mark or "long" in mark]
    assert any(isinstance(node, (ast.Assert, ast.With)) for node in ast.walk(tests[name])), f"{name} claims nothing"
    for figure in figures.split():
        assert figure.lstrip("-") in text, f"{case}: {file} does not hold {figure}"


def test_no_test_stands_for_two_cases():
    named = [(file, name) for _, file, name, _ in CASES]
    assert len(set(named)) == len(named)
