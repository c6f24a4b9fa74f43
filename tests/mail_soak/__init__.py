"""Mail under fire: the server is killed again and again while people send, and in the end every message is accounted for."""
