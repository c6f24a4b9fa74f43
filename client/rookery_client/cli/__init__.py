"""The `rookery` command: one module per noun."""

import os

# What gRPC's core has to say arrives as an exception; its own lines on stderr would only come between those of the command. It
# reads this when it is first imported, and this package is imported before it. Whoever set it keeps their choice.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
