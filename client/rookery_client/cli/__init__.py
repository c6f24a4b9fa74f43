"""The `rookery` command: one module per noun."""

from __future__ import annotations

import os

# gRPC's own log would break the promise of one line per error. It reads this once, when it is first imported: hence here.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
