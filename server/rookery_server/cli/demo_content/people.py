"""The people of the demonstration: two with mailboxes, the others only write."""

from __future__ import annotations

from dataclasses import dataclass

DOMAIN = "rookery.example"


@dataclass(frozen=True)
class Person:
    """Somebody who writes or is written to."""

    name: str
    address: str
    company: str = ""
    title: str = ""
    telephone: str = ""
    birthday: str = ""
    city: str = ""

    @property
    def mailbox(self) -> str:
        """Name and address, as in a header."""
        return f"{self.name} <{self.address}>"


ANNA = Person(
    "Anna Lindqvist", f"anna@{DOMAIN}", "Harrow Marsh Reserve", "Reserve manager", "+44 20 7946 0101", "1984-03-09", "Harrow"
)
BEN = Person("Ben Okafor", f"ben@{DOMAIN}", "Harrow Marsh Reserve", "Field engineer", "+44 20 7946 0102", "1991-11-23", "Harrow")
CARLA = Person(
    "Carla Moretti", "carla@moretti-studio.example", "Moretti Studio", "Architect", "+39 06 5550 0133", "1979-06-30", "Roma"
)
EIJI = Person(
    "Dr. Eiji Tanaka", "tanaka@marsh-university.example", "Marsh University", "Ornithologist", "+44 20 7946 0177", "", "Leeds"
)
FREYA = Person("Freya Sörensen", "freya.soerensen@nordbat.example", "NordBat A/S", "Sales engineer", "+45 32 55 01 44", "", "Århus")
GITA = Person("Gita Rao", "gita.rao@harrow-council.example", "Harrow Council", "Planning officer", "+44 20 7946 0190", "", "Harrow")
HUGO = Person(
    "Hugo Brandt", "hugo@brandt-boats.example", "Brandt Boats", "Boatbuilder", "+49 40 5550 0160", "1968-01-17", "Hamburg"
)
IRIS = Person("Iris Whitlock", "iris@whitlock.example", "", "Volunteer", "+44 7700 900142", "1952-08-02", "Pinner")
HUT = Person("Meeting hut", f"hut@{DOMAIN}")
"""A room."""
STATION = Person("Weather station 3", "station3@sensors.rookery.example")
WEEKLY = Person("Wetland Weekly", "news@wetland-weekly.example")

EVERYBODY = {
    "anna": ANNA,
    "ben": BEN,
    "carla": CARLA,
    "eiji": EIJI,
    "freya": FREYA,
    "gita": GITA,
    "hugo": HUGO,
    "iris": IRIS,
}
"""By the names that the threads use."""

CONTACTS = (CARLA, EIJI, FREYA, GITA, HUGO, IRIS)
"""Who is in both address books; each has the other of the two as well."""
