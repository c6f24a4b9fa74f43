"""Whatever happens in whichever order: a person sees what the server has sent, with what they did laid over it.

The model beside the replica is three small dictionaries and a list. A device and others edit the same mailbox; batches, pushes and
answers come whenever they like, answers get lost, and operations are refused.
"""

from __future__ import annotations

import copy as copying
import random
from dataclasses import dataclass, field, replace

import pytest

from rookery.v1.item_pb2 import ItemState, ItemSummary
from rookery.v1.sync_pb2 import ItemChange, ItemPlace, ItemRemoval, PushOutcome
from tests.support.replica_batches import GONE, copy, create, delete, mark, move, refusal, rename
from tests.support.replica_filling import DELETED, DRAFTS, INBOX, PROJECTS, batch_of, entry_of

FOLDERS = (INBOX, DRAFTS, PROJECTS)
CATEGORIES = ("Red", "Blue", "Green")


@dataclass
class Thing:
    """An item of the model."""

    folder: bytes
    subject: str
    read: bool = True
    categories: frozenset[str] = frozenset()
    revision: int = 0
    content: int = 0


@dataclass
class Done:
    """An operation of the device, as the model knows it."""

    action: str
    items: tuple[bytes, ...]
    value: object
    new: tuple[bytes, ...] = ()
    operation: object = None
    revision: int | None = None
    """At which the server carried it out; 0 if it refused."""
    told: bool = False
    """The device has the answer."""


def edited(thing, done):
    """The thing after an operation; None if it is gone."""
    match done.action:
        case "read":
            return replace(thing, read=done.value)
        case "category":
            return replace(thing, categories=thing.categories | {done.value})
        case "move":
            return replace(thing, folder=done.value)
        case "rename":
            return replace(thing, subject=done.value)
        case _:
            return None


@dataclass
class Model:
    there: dict[bytes, Thing] = field(default_factory=dict)
    """What the server has."""
    sent: dict[bytes, Thing] = field(default_factory=dict)
    """What it has sent to the replica."""
    removed: dict[bytes, int] = field(default_factory=dict)
    revision: int = 1
    position: int = 1
    caught_up: int = 1
    done: list[Done] = field(default_factory=list)

    def carry_out(self, done):
        """What the server makes of an operation."""
        self.revision += 1
        for index, item_id in enumerate(done.items):
            if done.action == "create":
                self.there[item_id] = Thing(INBOX, done.value, revision=self.revision, content=self.revision)
            elif item_id not in self.there:
                continue
            elif done.action == "copy":
                new = replace(self.there[item_id], folder=done.value, revision=self.revision, content=self.revision)
                self.there[done.new[index]] = new
            else:
                self.change(item_id, edited(self.there[item_id], done), content=done.action == "rename")
        return self.revision

    def change(self, item_id, thing, *, content):
        if thing is None:
            del self.there[item_id]
            self.removed[item_id] = self.revision
        elif replace(thing, revision=0) != replace(self.there[item_id], revision=0):
            thing.revision = self.revision
            thing.content = self.revision if content else thing.content
            self.there[item_id] = thing

    def shown(self):
        """What the person is to see."""
        ids = set(self.sent)
        for done in self.done:
            ids.update(done.new or (done.items if done.action == "create" else ()))
        found = {item_id: self.after(item_id, len(self.done)) for item_id in ids}
        return {item_id: (t.folder, t.subject, t.read, t.categories) for item_id, t in found.items() if t is not None}

    def after(self, item_id, count):
        """The item after the first operations that the device has done."""
        base = thing = self.sent.get(item_id)
        for number, done in enumerate(self.done[:count]):
            if item_id not in (*done.items, *done.new) or self.is_over(done, base):
                continue
            if done.action == "create":
                thing = thing or Thing(INBOX, done.value)
            elif done.action == "copy":
                if item_id in done.new and thing is None:
                    source = self.after(done.items[done.new.index(item_id)], number)
                    thing = source and replace(source, folder=done.value)
            elif thing is not None:
                thing = edited(thing, done)
        return thing

    def is_over(self, done, base):
        """Whether an operation lies over nothing any more: it was refused, or what was sent has it in it."""
        if not done.told:
            return False
        return done.revision == 0 or done.revision <= self.caught_up or (base is not None and done.revision <= base.revision)


class Game:
    """The replica and the model, played side by side."""

    def __init__(self, replica, mailbox, sight, ids, seed):
        self.replica, self.mailbox, self.sight, self.ids = replica, mailbox, sight, ids
        self.model = Model()
        self.random = random.Random(seed)

    def others_edit(self):
        model, chance = self.model, self.random
        if not model.there or chance.random() < 0.3:
            model.carry_out(Done("create", (self.ids.new(),), f"theirs {model.revision}"))
        else:
            item_id = chance.choice(sorted(model.there))
            model.carry_out(self.edit_of((item_id,)))

    def device_edits(self):
        shown = sorted(self.model.shown())
        if not shown or self.random.random() < 0.15:
            done = Done("create", (self.ids.new(),), f"mine {len(self.model.done)}")
        else:
            chosen = tuple(self.random.sample(shown, min(len(shown), self.random.randint(1, 3))))
            done = self.edit_of(chosen)
        done.operation = self.replica.record(self.operation_of(done))
        self.model.done.append(done)

    def edit_of(self, items):
        chance = self.random
        match chance.choice(["read", "category", "move", "rename", "delete", "copy"]):
            case "read":
                return Done("read", items, chance.random() < 0.5)
            case "category":
                return Done("category", items, chance.choice(CATEGORIES))
            case "move":
                return Done("move", items, chance.choice(FOLDERS))
            case "rename":
                return Done("rename", items[:1], f"renamed {chance.randint(0, 999)}")
            case "copy":
                return Done("copy", items, chance.choice(FOLDERS), new=tuple(self.ids.new() for _ in items))
            case _:
                return Done("delete", items, None)

    def operation_of(self, done):
        match done.action:
            case "create":
                return create(done.value, folder=INBOX, item_id=done.items[0])
            case "read":
                return mark(*done.items, read=done.value)
            case "category":
                return mark(*done.items, add_categories=[done.value])
            case "move":
                return move(done.value, *done.items)
            case "rename":
                return rename(done.items[0], done.value)
            case "copy":
                operation = copy(done.value, *done.items)
                operation.copy_items.new_ids.extend(done.new)
                return operation
            case _:
                return delete(*done.items)

    def push(self):
        """The server carries out the next operation, or refuses it; the answer may be late."""
        done = next((each for each in self.model.done if each.revision is None), None)
        if done is not None:
            done.revision = 0 if self.random.random() < 0.15 else self.model.carry_out(done)
            if self.random.random() < 0.7:
                self.answer()

    def answer(self):
        """The answers to everything that was pushed come, in order."""
        results = []
        for done in self.model.done:
            if done.revision is not None and not done.told:
                done.told = True
                results.append(self.result(done))
        self.replica.answered(results)

    def result(self, done):
        if done.revision == 0:
            return refusal(done.operation, "QUOTA_EXCEEDED", self.model.revision)
        result = refusal(done.operation, "", done.revision)
        result.ClearField("error")
        result.outcome = PushOutcome.PUSH_OUTCOME_APPLIED
        return result

    def pull(self, most):
        """The next entries of the tail, as far as the batch goes."""
        model = self.model
        news = [(thing.revision, item_id) for item_id, thing in model.there.items() if thing.revision > model.position]
        news += [(revision, item_id) for item_id, revision in model.removed.items() if revision > model.position]
        batch = sorted(news)[:most]
        entries = {"items": [], "changes": [], "removals": []}
        for revision, item_id in batch:
            self.tell(entries, item_id, revision)
        done = len(batch) == len(news)
        # A batch may end within a revision: then what is left of that comes again.
        model.position = model.revision if done else batch[-1][0] - 1
        if done:
            model.caught_up = model.revision
        self.replica.apply(batch_of(revision=model.revision, caught_up=done, **entries), accept_deletions=True)

    def tell(self, entries, item_id, revision):
        model = self.model
        thing, known = model.there.get(item_id), model.sent.get(item_id)
        if thing is None:
            entries["removals"].append(ItemRemoval(item_id=item_id, revision=revision, reason=GONE))
            model.sent.pop(item_id, None)
            return
        if known is None or known.content != thing.content:
            entries["items"].append(self.whole(item_id, thing))
        else:
            state, place = state_of(thing), ItemPlace(folder_id=thing.folder, uid=1)
            entries["changes"].append(ItemChange(item_id=item_id, revision=revision, state=state, place=place))
        model.sent[item_id] = copying.copy(thing)

    def whole(self, item_id, thing):
        item = self.mailbox.message(thing.subject, folder=thing.folder)
        item.id, item.revision, item.content_revision = item_id, thing.revision, thing.content
        item.state.CopyFrom(state_of(thing))
        return entry_of(item)

    def seen(self):
        """What the person sees."""
        found = {}
        for item_id, folder, state, summary in self.sight.rows("SELECT id, folder_id, state, summary FROM shown_item"):
            marks = ItemState.FromString(state)
            subject = ItemSummary.FromString(summary).subject
            found[item_id] = (folder, subject, marks.read, frozenset(marks.categories))
        return found


def state_of(thing):
    return ItemState(read=thing.read, categories=sorted(thing.categories))


@pytest.mark.parametrize("seed", range(25))
def test_what_is_shown_is_what_was_sent_with_what_was_done_laid_over_it(replica, mailbox, sight, ids, seed):
    game = Game(replica, mailbox, sight, ids, seed)
    moves = [game.others_edit, game.device_edits, game.push, game.answer, lambda: game.pull(game.random.randint(1, 4))]
    for _ in range(60):
        game.random.choices(moves, weights=[3, 3, 2, 1, 2])[0]()
        assert game.seen() == game.model.shown()
    while any(done.revision is None for done in game.model.done):
        game.push()
    game.answer()
    game.pull(1000)
    assert game.seen() == {item_id: (t.folder, t.subject, t.read, t.categories) for item_id, t in game.model.there.items()}
    assert (sight.overlaid(), replica.status().waiting) == (0, 0)
    assert replica.status().items == len(game.model.there)
    assert DELETED not in {folder for folder, *_ in game.seen().values()}
