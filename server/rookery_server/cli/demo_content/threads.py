"""The conversations of the demonstration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Letter:
    """One message. ``after`` is hours since the conversation began; ``files`` names attachments of ``attachments.FILES``."""

    sender: str
    to: tuple[str, ...]
    after: float
    text: str
    files: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    html: bool = False


@dataclass(frozen=True)
class Thread:
    """A conversation. ``folder`` is where the two keep it; "" is the inbox. ``unread`` and ``flag`` are of its last letter."""

    subject: str
    days_ago: float
    letters: tuple[Letter, ...]
    folder: str = ""
    categories: tuple[str, ...] = ()
    unread: bool = False
    flag: str = ""


HIDE = "Projects/New hide"
COUNT = "Projects/Bird count"

THREADS = (
    Thread(
        "Drawings for the new hide",
        26,
        (
            Letter(
                "carla",
                ("anna",),
                0,
                "Dear Anna,\n\nhere are the first drawings. The hide stands on eight screw piles, so nothing has to "
                "be dug out of the "
                "reed bed, and the ramp is gentle enough for wheelchairs.\n\nTell me what you think of the slot windows.\n\nCarla",
                ("hide.png", "areas.csv"),
                html=True,
            ),
            Letter(
                "anna",
                ("carla",),
                5,
                "Carla, these are lovely. Two wishes: one window low enough for children, and no light-coloured wood "
                "on the side that "
                "faces the water. The herons will thank you.\n\nAnna",
                cc=("ben",),
            ),
            Letter(
                "carla",
                ("anna",),
                29,
                "Both are easy. I will darken the larch with iron oxide. New drawings by Friday.\n\nCarla",
                cc=("ben",),
            ),
            Letter(
                "ben",
                ("carla", "anna"),
                31,
                "Could we have a cable duct up to the roof? I would like to put camera 5 there, and a small panel.\n\nBen",
            ),
            Letter(
                "carla",
                ("ben", "anna"),
                77,
                "Of course. The duct is in the new set, 40 mm, with a draw rope in it.\n\nCarla",
                ("hide-2.pdf",),
            ),
        ),
        folder=HIDE,
        categories=("Building",),
    ),
    Thread(
        "Planning permission HM/2231",
        19,
        (
            Letter(
                "gita",
                ("anna",),
                0,
                "Dear Ms Lindqvist,\n\nthank you for your application HM/2231 (bird hide, temporary structure). We "
                "need the flood risk "
                "statement and a drawing that shows the height above the water table.\n\nKind regards\nGita Rao",
            ),
            Letter("anna", ("gita",), 22, "Dear Ms Rao,\n\nboth are attached.\n\nAnna Lindqvist", ("flood-risk.pdf", "areas.csv")),
            Letter(
                "gita",
                ("anna",),
                96,
                "Dear Ms Lindqvist,\n\nthank you, the file is complete. The committee meets on the second Tuesday of "
                "next month. You are "
                "welcome to attend; please tell me the names of those who come.\n\nGita Rao",
            ),
        ),
        folder=HIDE,
        categories=("Building", "Council"),
        flag="Tell Ms Rao who comes to the committee",
    ),
    Thread(
        "Batteries for the camera posts",
        14,
        (
            Letter(
                "ben",
                ("freya",),
                0,
                "Hello Freya,\n\nwe run five camera posts on lead batteries and lose two of them every winter. What "
                "would you suggest "
                "for -15 °C, 20 W for 18 hours?\n\nBen Okafor",
            ),
            Letter(
                "freya",
                ("ben",),
                20,
                "Hi Ben,\n\nLiFePO₄ with a heated case: 60 Ah per post. The offer is attached, good until the end of "
                "next month. Freight "
                "from Århus is included.\n\nVenlig hilsen\nFreya Sörensen",
                ("offer.csv",),
                html=True,
            ),
            Letter(
                "ben",
                ("anna",),
                24,
                "Five posts come to 2,340 €. That is less than two winters of lead. May I order?\n\nBen",
                ("offer.csv",),
            ),
            Letter(
                "anna", ("ben",), 30, "Yes, please. Take it from the camera budget, and ask for two spare fuses a post.\n\nAnna"
            ),
            Letter("ben", ("freya",), 31, "Ordered, with ten spare fuses. Thank you!\n\nBen", cc=("anna",)),
            Letter("freya", ("ben",), 50, "They leave on Thursday. You get the tracking number tomorrow.\n\nFreya", cc=("anna",)),
        ),
        categories=("Cameras",),
    ),
    Thread(
        "Autumn bird count",
        12,
        (
            Letter(
                "eiji",
                ("anna", "ben"),
                0,
                "Dear both,\n\nthe autumn count is on the first weekend of next month. May I have the north bank "
                "again? My students bring "
                "four scopes. Last year's numbers are attached.\n\nEiji Tanaka",
                ("count-last-year.csv",),
            ),
            Letter("anna", ("eiji",), 3, "Of course! I will ask the volunteers for the south bank.\n\nAnna", cc=("ben",)),
            Letter(
                "ben",
                ("eiji", "anna"),
                6,
                "The two cameras at the sluice can count at night. I will send you the raw clips.\n\nBen",
            ),
            Letter("eiji", ("ben", "anna"), 27, "Wonderful. Water rails at night would be a first for us.\n\nEiji"),
            Letter("iris", ("anna",), 51, "I can bring six people and far too much cake.\n\nIris", cc=("eiji",)),
            Letter(
                "anna", ("iris",), 53, "There is no such thing. South bank, eight o'clock, the boat shed?\n\nAnna", cc=("eiji",)
            ),
        ),
        folder=COUNT,
        categories=("Count",),
    ),
    Thread(
        "The work boat",
        9,
        (
            Letter(
                "hugo",
                ("ben",),
                0,
                "Moin Ben,\n\nyour boat is on the slip. The hull is sound, but three ribs amidships are soft. New "
                "ones in oak, and while "
                "she is out I would take off the old paint. Two weeks.\n\nGrüße aus Hamburg\nHugo",
                ("boat.png",),
            ),
            Letter(
                "ben",
                ("hugo",),
                4,
                "Moin Hugo, please do. Green again, and no copper in the paint, for the newts.\n\nBen",
                cc=("anna",),
            ),
            Letter(
                "hugo", ("ben",), 26, "No copper. Then she needs a scrub each spring, but that keeps you fit.\n\nHugo", cc=("anna",)
            ),
            Letter("anna", ("ben",), 30, "Do we have a boat for the count, then?\n\nAnna"),
            Letter("ben", ("anna",), 32, "The sailing club lends us theirs. I owe them a morning of cutting reed.\n\nBen"),
        ),
        categories=("Boats",),
    ),
    Thread(
        "Key to the boat shed",
        8,
        (
            Letter("iris", ("anna",), 0, "Anna dear, I have two keys to the boat shed and none of them opens it.\n\nIris"),
            Letter(
                "anna",
                ("iris",),
                2,
                "It is a new lock since the spring. The key hangs in the office, the one with the heron.\n\nAnna",
            ),
            Letter("iris", ("anna",), 7, "Found. The heron has lost its beak.\n\nIris"),
        ),
    ),
    Thread(
        "Budget for next year",
        7,
        (
            Letter(
                "anna",
                ("ben",),
                0,
                "Ben,\n\nthe draft of the budget is attached. Please look at lines 12 to 18, those are yours. I must "
                "hand it in on the "
                "last day of the month.\n\nAnna",
                ("budget.csv",),
            ),
            Letter("ben", ("anna",), 25, "Line 14 should be 1,900: the masts need new guy ropes. The rest is fine.\n\nBen"),
            Letter("anna", ("ben",), 27, "Changed. Line 17 goes down by as much, the drone can wait.\n\nAnna"),
            Letter("ben", ("anna",), 28, "The drone is sad, but understands.\n\nBen"),
        ),
        categories=("Money",),
        flag="Hand in the budget",
    ),
    Thread(
        "Otters!",
        5,
        (
            Letter("ben", ("anna",), 0, "Camera 2, last night, 03:14. Look at the left edge.\n\nBen", ("otter.png",)),
            Letter("anna", ("ben",), 1, "TWO of them! The first since 2009. Not a word to the newspapers yet.\n\nAnna"),
            Letter("ben", ("eiji",), 3, "Eiji, between us: are these what I think they are?\n\nBen", ("otter.png",), cc=("anna",)),
            Letter(
                "eiji",
                ("ben",),
                9,
                "Lutra lutra, an adult and a young one. Congratulations! Please keep people away from the holt until "
                "spring.\n\nEiji",
                cc=("anna",),
            ),
            Letter("anna", ("eiji", "ben"), 10, "We close the west path from Monday. Reason given: soft ground.\n\nAnna"),
        ),
        categories=("Count", "Private"),
    ),
    Thread(
        "Sluice gate",
        3,
        (
            Letter("ben", ("anna",), 0, "The gate sticks at 40 %. I freed it by hand, but the gear has lost two teeth.\n\nBen"),
            Letter("anna", ("ben",), 1.5, "How long do we have if the river rises as forecast?\n\nAnna"),
            Letter("ben", ("anna",), 2, "Three days. Hugo knows somebody who cuts gears. I am on the telephone.\n\nBen"),
            Letter(
                "hugo", ("ben",), 5, "My neighbour can cut it by Thursday if he has the old one tomorrow.\n\nHugo", cc=("anna",)
            ),
            Letter("ben", ("hugo",), 6, "It is in the post, express. Thank you!\n\nBen", cc=("anna",)),
        ),
        categories=("Water",),
        flag="Call the water board if the gear is late",
    ),
    Thread(
        "School visit on Wednesday",
        2,
        (
            Letter(
                "iris",
                ("anna", "ben"),
                0,
                "28 children, nine years old, from ten to twelve. I do the reeds, could one of you do the frogs?\n\nIris",
            ),
            Letter("ben", ("iris", "anna"), 3, "Frogs are mine. Wellingtons for everybody, please.\n\nBen"),
            Letter("iris", ("ben", "anna"), 4, "They know. Last year one lost both of hers.\n\nIris"),
        ),
        categories=("Visitors",),
        unread=True,
    ),
    Thread(
        "Re: Opening of the hide",
        0.8,
        (
            Letter(
                "carla",
                ("anna",),
                0,
                "Dear Anna,\n\nthe larch arrived today and smells of the whole Tyrol. If the weather holds we can "
                "hand over the hide "
                "three weeks from now. Shall we open it with the bird count?\n\nUn abbraccio\nCarla",
                cc=("ben",),
                html=True,
            ),
            Letter("eiji", ("anna",), 6, "From me and the students: yes, please!\n\nEiji", cc=("carla", "ben")),
        ),
        folder="",
        categories=("Building",),
        unread=True,
        flag="Answer Carla",
    ),
)
