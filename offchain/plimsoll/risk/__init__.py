"""Risk out: volatility, scenarios, risk arrays and the report that carries them."""
