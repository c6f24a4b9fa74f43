"""Who is free when: what takes people's time, when they work, and when several of them can meet."""
