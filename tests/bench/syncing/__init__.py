"""Synchronisation, measured: `make bench BENCH=--sync`."""
