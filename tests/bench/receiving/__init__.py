"""Mail that comes in by LMTP, measured beside Dovecot: `make bench BENCH=--lmtp`."""
