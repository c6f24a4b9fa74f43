"""The offline replica: a copy of a mailbox in one file, with what was done here and waits to be sent.

Each group imports only those below it: ``engine`` (keeps it up to date) and ``offline`` (a client without a server), ``reading``,
``replica`` (the file with all it can do), ``incoming`` (what comes from the server), ``outbox`` (what the person did), ``view``
(what the person sees) and ``storage`` (rows and transactions).
"""
