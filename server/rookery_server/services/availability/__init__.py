"""Who is free when: free/busy, times to meet, rooms, and how calendars are set."""
