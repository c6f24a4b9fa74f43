"""Synchronisation, measured: `make bench BENCH=--only=sync`."""
