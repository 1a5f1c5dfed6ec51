"""The audit: every check of the checkout run afresh, and what it came to as one dated report; `plimsoll audit`."""
