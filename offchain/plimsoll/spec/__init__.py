"""The contracts' arithmetic in exact integers, under the same names: the reading copy of the protocol."""
