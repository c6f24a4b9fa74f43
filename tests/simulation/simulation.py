"""One run: some hundred steps of everything that can happen, then calm, then everything has to be in order."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery.v1 import item_pb2, sync_pb2
from rookery_core.errors import RookeryError
from tests.simulation import checks, virtual_time
from tests.simulation.crashes import Died
from tests.simulation.devices import Device
from tests.simulation.network import CALM, STORM, USUAL, Network
from tests.simulation.office import Office
from tests.simulation.people import DAY, KINDS, NOW, Person, Words
from tests.simulation.server import Server
from tests.simulation.truth import Truth
from tests.sync.replicas import window

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Awaitable, Callable

    from tests.simulation.server import Backup

    Step = Callable[[], Awaitable[None]]

STEPS = 150
ROUNDS = 12
"""In which devices exchange everything, once nothing disturbs them any more."""
_REVIVED = 0.3
"""How likely it is, at each step, that somebody sees that the server is dead."""
_PLAYED = 0.75
"""How likely each kind of step is to occur in a run at all: without the one, the next shows what it can do."""


@dataclass
class Report:
    """What happened."""

    seed: int
    trace: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    """Why operations were refused."""
    revision: int = 0

    def digest(self) -> str:
        """Of the whole trace: two runs of one seed have the same."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def run(seed: int, template: pathlib.Path, folder: pathlib.Path, report: Report, *, steps: int = STEPS) -> None:
    """Runs one seed in an empty folder; ``template`` is a migrated database. AssertionError if something does not hold."""
    virtual_time.run(_run(random.Random(seed), template, folder, report, steps))


async def _run(chance: random.Random, template: pathlib.Path, folder: pathlib.Path, report: Report, steps: int) -> None:
    simulation = Simulation(Server(folder, template, chance), chance, report)
    await simulation.begin(devices=chance.choice((2, 3, 3, 4)))
    for _ in range(steps):
        await simulation.step()
    await simulation.heal()
    await simulation.require_order()
    await simulation.end()


class Simulation:
    """One server, some devices, and what happens to them."""

    def __init__(self, server: Server, chance: random.Random, report: Report) -> None:
        self.chance = chance
        self.report = report
        self.server = server
        self.truth, self.words = Truth(), Words()
        self.network = Network(server, chance)
        self.devices: list[Device] = []
        self.people: list[Person] = []
        played: list[tuple[int, Step]] = [
            (12, self.work_in_the_office),
            (3, self._change_weather),
            (3, self._plug),
            (4, self._seal_device),
            (2, self._kill_device),
            (4, self._seal_server),
            (2, self._restart_server),
            (3, self._rescope),
            (2, self._work_periodically),
            (4, self._deliver),
            (2, self._back_up),
            (1, self._restore),
            (2, self._jump),
            (1, self._let_some_days_pass),
        ]
        steps = [each for each in played if chance.random() < _PLAYED]
        self._steps = [(40, self._use), (22, self._connect), (8, self._disconnect), *steps]

    def told(self, what: str) -> None:
        """Notes what happens, and when."""
        self.report.trace.append(f"{asyncio.get_running_loop().time():.3f} {what}")

    async def begin(self, *, devices: int) -> None:
        """Makes a mailbox with some items, and devices that hold nothing yet."""
        await self.server.begin()
        self.office = Office(self.server, self.truth, self.words, self.chance)
        await self.office.begin(self.chance.choice((3, 15)))
        folder = self.server.folder
        for number in range(1, devices + 1):
            self.devices.append(Device(folder, number, self.network, self._scope(number), self.told))
        self.people = [Person(device, self.truth, self.words) for device in self.devices]

    async def step(self) -> None:
        """One thing happens, and some time passes."""
        weights, steps = zip(*self._steps, strict=True)
        await self.chance.choices(steps, weights)[0]()
        if not self.server.alive and self.chance.random() < _REVIVED:
            await self._revive_server()
        await asyncio.sleep(self.chance.choice((0, 0.05, 1, 10)))
        for device in self.devices:
            device.require_sound()

    async def heal(self) -> None:
        """Nothing disturbs any more, until everybody has everything."""
        self.told("calm")
        self.network.weather = CALM
        for device in self.devices:
            device.fate.seal(0)
            device.wire.plugged = True
            await device.rest()
        self.server.life.fate.seal(0)
        await self._revive_server()
        await self.network.settle()
        await self.server.work()
        for _ in range(ROUNDS):
            await self.server.life.deliver()
            for device in self.devices:
                await device.sync()
            revision = max(self.server.history)
            if all(device.replica.status().caught_up_revision == revision and not device.waiting() for device in self.devices):
                return
        raise AssertionError("the devices do not come to rest")

    async def require_order(self) -> None:
        """AssertionError unless everything is as it should be."""
        await checks.require_all(self.server, self.devices, self.truth)
        self.report.reasons = self.truth.reasons
        self.report.revision = max(self.server.history)

    async def end(self) -> None:
        """Closes all files."""
        for device in self.devices:
            device.replica.close()
        await self.server.die()

    def _scope(self, number: int) -> sync_pb2.SyncScope:
        """The first device holds everything, the others anything."""
        if number == 1:
            return sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL)
        chance = self.chance
        depth = chance.choice((sync_pb2.SYNC_DEPTH_SUMMARY, sync_pb2.SYNC_DEPTH_TEXT, sync_pb2.SYNC_DEPTH_FULL))
        scope = sync_pb2.SyncScope(depth=depth, text_bytes=40 if depth == sync_pb2.SYNC_DEPTH_TEXT else 0)
        if chance.random() < 0.4:
            scope.folder_ids.extend(chance.sample(self.office.folder_ids, 3))
        if chance.random() < 0.3:
            scope.kinds.extend(item_pb2.ItemKind.ValueType(kind) for kind in chance.sample(KINDS, 3))
        if chance.random() < 0.5:
            scope.window.CopyFrom(window(mail_since=NOW - chance.randrange(9) * DAY))
        if chance.random() < 0.5:
            start = NOW - chance.randrange(9) * DAY
            scope.window.MergeFrom(window(events_from=start, events_until=start + 9 * DAY))
        return scope

    def _device(self) -> Device:
        return self.chance.choice(self.devices)

    async def _use(self) -> None:
        person = self.chance.choice(self.people)
        for _ in range(self.chance.choice((1, 1, 3))):
            self.told(person.act())
        person.device.require_faithful_view()

    async def work_in_the_office(self) -> None:
        """Somebody does something without a replica."""
        try:
            await self.office.work()
            self.told("office works")
        except RookeryError as error:
            self.told(f"office can not work: {error.message}")

    async def _connect(self) -> None:
        device, follow = self._device(), self.chance.random() < 0.4
        if not device.busy:
            self.told(f"{device.name} connects{' and follows' if follow else ''}")
            device.connect(follow=follow)

    async def _disconnect(self) -> None:
        device = self._device()
        self.told(f"{device.name} disconnects")
        await device.rest()

    async def _change_weather(self) -> None:
        self.network.weather = self.chance.choice((CALM, USUAL, STORM))
        self.told(f"weather: {self.network.weather.lost}")

    async def _plug(self) -> None:
        device = self._device()
        device.wire.plugged = not device.wire.plugged
        self.told(f"{device.name} is {'' if device.wire.plugged else 'un'}plugged")

    async def _seal_device(self) -> None:
        device, points = self._device(), self.chance.randint(1, 12)
        self.told(f"{device.name} is to die in {points} points")
        device.fate.seal(points)

    async def _kill_device(self) -> None:
        device = self._device()
        self.told(f"{device.name} is killed")
        await device.die()

    async def _seal_server(self) -> None:
        points = self.chance.randint(1, 25)
        self.told(f"the server is to die in {points} points")
        self.server.life.fate.seal(points)

    async def _restart_server(self) -> None:
        self.told("the server is killed")
        self.server.life.end()
        await self._revive_server()

    async def _revive_server(self) -> None:
        while not self.server.alive:
            self.told("the server starts")
            await self.server.start()

    async def _jump(self) -> None:
        device, seconds = self._device(), self.chance.choice((-7200, -60, 3, 600, 40_000))
        device.clock.advance(seconds=seconds)
        self.told(f"{device.name}'s clock jumps by {seconds}")

    async def _rescope(self) -> None:
        number = self.chance.randrange(1, len(self.devices))
        device = self.devices[number]
        await device.rest()
        try:
            anew = device.replica.set_scope(self._scope(number + 1))
        except Died as died:
            self.told(f"{device.name} dies at {died}")
            device.revive()
        else:
            self.told(f"{device.name} has another scope, {'and fills anew' if anew else 'the same but for its window'}")

    async def _work_periodically(self) -> None:
        if self.server.alive:
            self.told("periodic work")
            await self.server.work()

    async def _deliver(self) -> None:
        if self.server.alive:
            self.told("the queue works")
            with contextlib.suppress(RookeryError):
                await self.server.life.carry_out(self.server.life.deliver())

    async def _back_up(self) -> None:
        self.server.back_up()
        self.told(f"backup at {self.server.backups[-1].revision}")

    async def _restore(self) -> None:
        if self.server.backups:
            await self.restore_from(self.chance.choice(self.server.backups))

    async def restore_from(self, chosen: Backup) -> None:
        """The server goes back."""
        await self.server.restore(chosen)
        self.truth.restored(chosen.revision)
        self.told(f"the server is restored from {chosen.revision}")

    async def _let_some_days_pass(self) -> None:
        await self.let_days_pass(self.chance.choice((2, 20, 65)))

    async def let_days_pass(self, days: int) -> None:
        """Everybody is away; what cursors and the ledger remember may be forgotten meanwhile, and no backup is that old."""
        for device in self.devices:
            await device.rest()
        self.told(f"{days} days pass")
        self.server.backups.clear()
        self.truth.days_passed(days)
        await asyncio.sleep(days * 86_400)
        await self._revive_server()
        await self.server.work()
