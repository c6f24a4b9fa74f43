"""What the person sees: what the server has, with the operations that wait laid over it."""
