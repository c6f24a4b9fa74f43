"""A client without a server: the contract's calls, answered by a replica."""
