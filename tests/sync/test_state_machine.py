"""Two devices and a server under Hypothesis: whatever is done, in whatever order, and whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from rookery.v1.sync_pb2 import SYNC_DEPTH_FULL, SYNC_DEPTH_SUMMARY, SyncScope
from tests.simulation.network import CALM, STORM
from tests.simulation.people import ACTS, NOW
from tests.simulation.server import Server
from tests.simulation.simulation import Report, Simulation
from tests.simulation.virtual_time import VirtualLoop
from tests.sync.replicas import window

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Coroutine

    import pytest

    from tests.simulation.devices import Device

NUMBERS = st.integers(0, 1)
CHANCES = st.randoms(use_true_random=False)
POINTS = st.integers(1, 12)
SCOPES = (
    SyncScope(depth=SYNC_DEPTH_FULL),
    SyncScope(depth=SYNC_DEPTH_SUMMARY),
    SyncScope(depth=SYNC_DEPTH_FULL, window=window(mail_since=NOW - 3 * 86_400_000_000)),
    SyncScope(depth=SYNC_DEPTH_FULL, window=window(mail_since=NOW - 6 * 86_400_000_000, events_from=NOW)),
)


class Machine(RuleBasedStateMachine):
    """Runs the parts of the simulation, one step at a time. What has to hold is looked at whenever a device has caught up."""

    def __init__(self, template: pathlib.Path, folder: pathlib.Path) -> None:
        super().__init__()
        self._template = template
        self._folder = folder
        self._loop = VirtualLoop()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._loop.run_until_complete(work)

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self._run(self._begin(random.Random(seed)))

    async def _begin(self, chance: random.Random) -> None:
        self.simulation = Simulation(Server(self._folder, self._template, chance), chance, Report(0))
        await self.simulation.begin(devices=2)
        self.simulation.network.weather = CALM
        for device in self.simulation.devices:
            await device.sync()

    def _device(self, number: int) -> Device:
        return self.simulation.devices[number]

    @rule(number=NUMBERS, act=st.sampled_from(ACTS), chance=CHANCES)
    def a_person_does_something(self, number: int, act: str, chance: random.Random) -> None:
        person = self.simulation.people[number]
        person.chance = chance
        person.perform(act)
        person.device.require_faithful_view()

    @rule()
    def somebody_works_on_the_server(self) -> None:
        self._run(self.simulation.work_in_the_office())

    @rule(number=NUMBERS)
    def a_device_synchronises(self, number: int) -> None:
        self._run(self._device(number).attempt())
        self._device(number).require_faithful_view()

    @rule()
    def both_synchronise_at_once(self) -> None:
        async def both() -> None:
            await asyncio.gather(*(device.attempt() for device in self.simulation.devices))

        self._run(both())

    @rule(number=NUMBERS)
    def a_device_synchronises_in_a_storm(self, number: int) -> None:
        self.simulation.network.weather = STORM
        self._run(self._device(number).attempt())
        self.simulation.network.weather = CALM

    @rule(number=NUMBERS, points=POINTS)
    def a_device_dies_while_it_synchronises(self, number: int, points: int) -> None:
        self._device(number).fate.seal(points)
        self._run(self._device(number).attempt())
        self._device(number).fate.seal(0)

    @rule(number=NUMBERS, points=POINTS)
    def the_server_dies_while_a_device_synchronises(self, number: int, points: int) -> None:
        self.simulation.server.life.fate.seal(points)
        self._run(self._device(number).attempt())
        self.simulation.server.life.fate.seal(0)
        self._run(self.simulation.server.start())

    @rule(scope=st.sampled_from(SCOPES))
    def the_second_device_gets_another_scope(self, scope: SyncScope) -> None:
        self._device(1).replica.set_scope(scope)

    @rule()
    def a_backup_is_made(self) -> None:
        self.simulation.server.back_up()

    @rule(number=st.integers(0, 3))
    def the_server_is_restored(self, number: int) -> None:
        backups = self.simulation.server.backups
        if backups:
            self._run(self.simulation.restore_from(backups[number % len(backups)]))

    @rule()
    def cursors_expire(self) -> None:
        self._run(self.simulation.let_days_pass(61))

    def teardown(self) -> None:
        if hasattr(self, "simulation"):
            self._run(self._end())
        self._loop.close()

    async def _end(self) -> None:
        try:
            await self.simulation.heal()
            await self.simulation.require_order()
        finally:
            await self.simulation.end()


def test_whatever_two_devices_do_they_end_with_the_same_and_nothing_is_lost(
    migrated_sqlite: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_state_machine_as_test(
        lambda: Machine(migrated_sqlite, tmp_path_factory.mktemp("run")),  # type: ignore[arg-type]
        settings=settings(
            max_examples=20, stateful_step_count=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
        ),
    )
