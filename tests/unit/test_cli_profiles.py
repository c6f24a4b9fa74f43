from __future__ import annotations

import asyncio
import stat
from concurrent.futures import ProcessPoolExecutor

import pytest

from rookery_client.cli.profiles import Profile, Profiles
from rookery_core import errors
from tests.support.client_fakes import tokens


def _put(folder, number):
    Profiles(folder).put(f"p{number}", Profile("h:1", f"{number}@example.org"))


def test_commands_that_run_at_once_lose_nothing(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_put, [tmp_path] * 40, range(40)))
    profiles = Profiles(tmp_path)
    assert [profiles.get(f"p{number}").address for number in range(40)] == [f"{number}@example.org" for number in range(40)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["profiles.json", "profiles.lock"]


def test_what_is_put_is_got(tmp_path):
    profile = Profile("h:1", "a@example.org", "/ca.pem", insecure=True, tokens=tokens("9"))
    Profiles(tmp_path / "deep" / "folder").put("default", profile)
    assert Profiles(tmp_path / "deep" / "folder").get("default") == profile


def test_the_file_is_private_from_the_first_moment_on(tmp_path):
    profiles = Profiles(tmp_path)
    profiles.put("default", Profile("h:1", "a@example.org"))
    profiles.save_tokens("default", "a@example.org", tokens("2"))
    assert stat.S_IMODE((tmp_path / "profiles.json").stat().st_mode) == 0o600


def test_tokens_of_somebody_who_is_signed_out_meanwhile_are_not_kept(tmp_path):
    profiles = Profiles(tmp_path)
    profiles.put("default", Profile("h:1", "new@example.org", tokens=tokens("5")))
    profiles.save_tokens("default", "old@example.org", tokens("2"))
    assert profiles.get("default").tokens == tokens("5")


async def test_renewing_waits_for_the_other_command_and_sees_its_tokens(tmp_path):
    one, two = Profiles(tmp_path), Profiles(tmp_path)
    one.put("default", Profile("h:1", "a@example.org", tokens=tokens("1")))
    order = []

    async def first():
        async with one.renewing("default", "a@example.org") as kept:
            order.append(kept)
            await asyncio.sleep(0.1)
            one.save_tokens("default", "a@example.org", tokens("2"))

    async def second():
        await asyncio.sleep(0.02)
        async with two.renewing("default", "a@example.org") as kept:
            order.append(kept)

    await asyncio.gather(first(), second())
    assert order == [tokens("1"), tokens("2")]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"profiles": {"default": {}}}', '{"profiles": 3}'])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / "profiles.json").write_text(text)
    with pytest.raises(errors.FailedPrecondition, match=r"profiles\.json"):
        Profiles(tmp_path).get("default")
