import numpy as np
import pytest

from plimsoll.risk import svi
from plimsoll.risk.errors import PricingError


def test_total_variance_of_the_librarys_case():
    # QuantLib: a -.0666 b .229 sigma .337 rho .439 m .193, K = F exp(m)
    assert svi.total_variance(0.193, -0.0666, 0.229, 0.439, 0.193, 0.337) == pytest.approx(0.010573, abs=5e-7)


@pytest.mark.parametrize("bad", [{"b": -1e-9}, {"rho": 1.0}, {"rho": -1.0}, {"sigma": 0.0}, {"a": np.nan}])
def test_total_variance_refuses(bad):
    parameters = {"a": 0.01, "b": 0.1, "rho": 0.0, "m": 0.0, "sigma": 0.1} | bad
    with pytest.raises(PricingError, match="is right"):
        svi.total_variance(0.0, **parameters)
