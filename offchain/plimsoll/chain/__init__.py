"""The chain, as the keeper and the simulations see it: compile, deploy, call, transact, in process or behind a node.

protocol    Chain and TimedChain: what a chain must offer
artifacts   contracts compiled by the installed Vyper, cached
contract    a deployed contract: arguments in, named tuples, events or `Refused` out
embedded    EmbeddedChain, on pyrevm, inside the process
node        NodeChain, over JSON-RPC
deployment  System: the contracts of one deployment, and the address book
"""
