"""Mail on its way: the queue, who works on it, and who is asked about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1 import dkim_service_pb2, queue_service_pb2, submission_service_pb2
from rookery_server.api.dkim import DkimServicer
from rookery_server.api.queue import QueueServicer
from rookery_server.api.submissions import SubmissionServicer
from rookery_server.bootstrap.base import DAY, Base, Edges, mail_name
from rookery_server.gateway import outside, retry_schedule, smarthosts
from rookery_server.gateway.carriers import CaptureCarrier, HereCarrier
from rookery_server.gateway.destinations import Destinations
from rookery_server.gateway.dkim import DkimSigner
from rookery_server.gateway.figures import Figures
from rookery_server.gateway.leaving import LeavingMail
from rookery_server.gateway.tls_policy import parse_levels
from rookery_server.gateway.traffic import Traffic
from rookery_server.gateway.worker import QueueWorker
from rookery_server.services.accounts.group_mail import GroupMail
from rookery_server.services.signing.dkim_administration import DkimAdministration
from rookery_server.services.signing.key_ring import KeyRing
from rookery_server.services.submission.local_delivery import LocalDelivery
from rookery_server.services.submission.queue_administration import QueueAdministration
from rookery_server.services.submission.queue_destinations import QueueDestinations
from rookery_server.services.submission.reports import Reports
from rookery_server.services.submission.submissions import SubmissionService

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from google.protobuf.descriptor import ServiceDescriptor

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.config import Settings
    from rookery_server.gateway.attempts import Carrier
    from rookery_server.services.submission.submission_changes import Reserved
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed

CAPTURED = "captured"
"""The folder, below the data, for mail that is not sent to other servers."""

_REPORTS = 300.0


@dataclass(frozen=True)
class Outbound:
    """Mail that leaves, as this process has to do with it."""

    worker: QueueWorker
    reports: Reports
    keys: KeyRing
    traffic: Traffic
    groups: GroupMail
    ring: Callable[[Collection[str]], None]
    """Tells other processes."""
    does_all: bool
    """This process sees to all of the queue: others need not be told of what is new."""

    def wake(self) -> None:
        """The queue has something new, which is committed."""
        self.worker.wake()
        if not self.does_all:
            self.ring(())

    def reserve(self, recipients: Mapping[str, int]) -> Reserved:
        """See ``queueing.Queue``."""
        return self.worker.reserve(recipients)

    def begin(self, reserved: Reserved, taken: Sequence[Claimed]) -> None:
        """See ``queueing.Queue``."""
        self.worker.begin(reserved, taken)

    def release(self, reserved: Reserved) -> None:
        """See ``queueing.Queue``."""
        self.worker.release(reserved)

    def retry(self, domains: Collection[str]) -> None:
        """Something for these domains is to be tried at once, which is committed, even if their hosts do not answer."""
        self.worker.retry(domains)
        self.ring(domains)


def outbound(
    settings: Settings, edges: Edges, database: Database, clock: Clock, ids: Ids, *, here: bool, elsewhere: bool
) -> Outbound:
    """What works on the queue: on mail for mailboxes here, and on mail for other servers.

    Where gateways do the latter their ways are theirs alone, and destinations are told by domain.
    """

    def chance() -> float:
        return int.from_bytes(edges.random_bytes(6)) / 2**48

    def wake() -> None:
        out.wake()

    own_name = mail_name(settings)
    keys = KeyRing(database, clock)
    carrier: Carrier | None = None
    if elsewhere or settings.gateway:
        leaving = LeavingMail(database, DkimSigner(keys, clock))
        carrier = _elsewhere(settings, edges, leaving, clock, chance, own_name)
    reports = Reports(database, clock, ids, own_name=own_name, lifetime=retry_schedule.LIFETIME)
    alone = database.dialect == "sqlite"
    destinations, figures, groups = Destinations(clock), Figures(), GroupMail(database)
    worker = QueueWorker(
        database,
        clock,
        destinations,
        HereCarrier(LocalDelivery(database, clock, groups, wake=wake)) if here else None,
        carrier if elsewhere else None,
        reports,
        chance,
        owner=ids.new(),
        alone=alone,
        figures=figures,
        lease_seconds=edges.lease_seconds,
    )
    traffic = Traffic(figures, destinations, carrier.destination if carrier is not None else str)
    out = Outbound(worker, reports, keys, traffic, groups, database.ring, does_all=here and elsewhere)
    return out


def _elsewhere(
    settings: Settings, edges: Edges, mail: LeavingMail, clock: Clock, chance: Callable[[], float], own_name: str
) -> Carrier:
    """Who carries mail for other servers."""
    if settings.mail_delivery == "capture":
        return CaptureCarrier(mail, settings.data / CAPTURED)
    smarthost = smarthosts.parse(settings.smarthost) if settings.smarthost else None
    return outside.open_carrier(
        mail,
        clock,
        chance,
        own_name=own_name,
        smarthost=smarthost,
        levels=parse_levels(settings.mail_tls),
        dnssec=settings.mail_dnssec,
        resolver=edges.resolver,
        port=edges.smtp_port,
    )


def servicers(base: Base) -> list[tuple[ServiceDescriptor, object]]:
    """Submitting, and looking after the queue."""
    out = base.outbound
    shared = (base.database, base.operations, base.page_tokens, base.clock)
    submissions = SubmissionService(*shared, base.drafts, out)
    base.jobs.every("mail reports", _REPORTS, out.reports.tell_all)
    base.jobs.every("forget submissions", DAY, submissions.forget_old)
    queue = QueueServicer(QueueAdministration(*shared, out.reports, retry=out.retry), QueueDestinations(base.database, out.traffic))
    dkim = DkimAdministration(base.database, base.operations, out.keys, base.clock)
    return [
        (submission_service_pb2.DESCRIPTOR.services_by_name["SubmissionService"], SubmissionServicer(submissions)),
        (queue_service_pb2.DESCRIPTOR.services_by_name["QueueService"], queue),
        (dkim_service_pb2.DESCRIPTOR.services_by_name["DkimService"], DkimServicer(dkim)),
    ]
