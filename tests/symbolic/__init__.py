"""Symbolic checks of the compiled contracts: access, conservation and boundaries, for all inputs at once.

- `registry.py`: the checks, sentence by sentence, each with its bound and with a planted bug (its twin).
- `*.vy`: the checks themselves, in Vyper; `cheats.vy` is what they share.
- `build.py`: artifacts as halmos reads them; `run.py`: one check and its twin; `__main__.py`: all of them, a table.

What is checked is the bytecode that is deployed, runtime with its immutables, in *any* storage: no constructor and no
sequence of calls has to lead there. So what holds here holds in every state that can be reached, and a check may be
refuted by a state that cannot: each says what it assumes. halmos walks every path of the bytecode and asks a solver for
inputs that reach a failed assertion. It holds a check for true where there are none and no path was cut short; a
timeout, a path it could not follow, or a check none of whose paths comes to its end counts as a failure here.

A check could hold because nothing in it is ever reached. Therefore its twin: the contracts with one edit, a bug of the
kind that the sentence excludes. It must be refuted, with inputs that show how.

What this does not say:

- A selector of no function is not tried: Vyper's dispatcher looks it up at a place in its table that halmos would have
  to know as a number. Every function of the ABI that changes state is, with any arguments.
- Arrays and bytes have the few lengths that a bound names. Calls to addresses where nothing stands go through and
  answer nothing; a Timelock stands for the owner, so that guardians count.
- A twin shows that a check can see one bug. It says nothing about how many others it would.
- Products of two unknowns that are then divided are beyond the solver; at 256 bits even a quotient of two unknowns is.
  So the formulas of `RiskOracle`, prices of the fund's shares and interest are not here. Nor are settlement prices:
  they sort thirty numbers, which has too many paths. `tests/proofs` has that arithmetic, over integers.
- Two hashes are taken to differ where what is hashed does.

halmos cannot share an environment with eth-ape: `make symbolic` gives it one of its own, `.venv-symbolic`.
"""
