"""Meetings and assigned tasks: what people do with them, and what arrives."""
