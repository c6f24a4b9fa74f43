"""A deterministic simulation: a mailbox's server and its devices in one process and one thread, everything random from one seed.

Time is virtual (``virtual_time``), the network loses, delays, repeats and cuts (``network``), the server dies between any two units
of work and comes back from its disk or from a backup (``server``, ``database``), devices die at any transaction of their replica
(``devices``, ``crashes``), and people do anything anywhere (``people``, ``office``). Behind each step stand the real services, the
real replica and the real engine over real SQLite files. ``simulation`` runs it, ``truth`` and ``checks`` say what has to hold.

    python -m tests.simulation --seconds 600
    python -m tests.simulation --seed 42
"""
