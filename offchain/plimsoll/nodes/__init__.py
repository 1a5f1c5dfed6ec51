"""Risk nodes: independent observers that recompute a proposed report and sign it only where they find the same.

wire        a proposal and the answers to it, as JSON
tolerance   what two honest nodes may differ by, and every number in which a proposal differs by more
promises    what this node has signed, on disk: one report a sequence
cosigner    the decision: look, compare, promise, sign
service     the same over HTTP
proposer    asks the others, and counts only signatures that it has checked itself

Nothing here reads settings or a chain: `plimsoll.keeper.cosigner` puts a node together, and `plimsoll.simulate.nodes`
runs three of them, one of which lies.
"""
