"""A hundred cities: everything arrives, forks are found, liars change nothing."""

import os

import pytest

from shahrdad.federation.log.store import Status
from shahrdad.federation.standing import HeadState, head_state
from simulated_network import Network

LONG = bool(os.environ.get("SHAHRDAD_LONG"))
CITIES = 10_000 if LONG else 100
PUBLISHERS = 3
STEPS_MAX = 14 if LONG else 9


def spread(network: Network, steps_max: int = STEPS_MAX) -> int:
    """Step until every honest city holds everything; return how many steps it took."""
    for step in range(steps_max):
        network.step()
        behind = sum(
            network.lagging(origin)
            for origin in network.branches
            if origin not in network.forked
        )
        if not behind:
            return step + 1
    raise AssertionError(f"{behind} logs are behind after {steps_max} steps")


@pytest.fixture(scope="module")
def network() -> Network:
    """Return a network with sleepers, liars and relays that withhold."""
    made = Network(CITIES, PUBLISHERS)
    chance = made.chance
    for city in made.cities[PUBLISHERS:]:
        kind = chance.random()
        city.offline = kind < 0.2
        city.lies = 0.2 <= kind < 0.3
        city.withholds = 0.3 <= kind < 0.4
    for name in made.logs:
        made.publish(name, 4)
    return made


def test_everything_reaches_every_honest_city(network: Network) -> None:
    """With a fifth asleep, a tenth lying and a tenth silent, gossip still ends."""
    steps = spread(network)
    network.check()

    assert steps <= STEPS_MAX
    for origin in network.branches:
        digests = {city.store.state_digest(origin) for city in network.honest()}
        assert 1 == len(digests)


def test_witnesses_confirm_everywhere(network: Network) -> None:
    """Cosignatures travel by the same pulls, with clocks that differ by minutes."""

    def states() -> set[HeadState]:
        now = network.clock()
        return {
            head_state(city.keys, city.store.log(origin), now)
            for city in network.honest()
            for origin in network.branches
        }

    steps = 0
    while states() != {HeadState.CONFIRMED} and steps < STEPS_MAX:
        network.step()
        steps += 1
    network.check()

    assert {HeadState.CONFIRMED} == states()


def test_changes_and_sleepers_catch_up(network: Network) -> None:
    """Who slept through a month is brought up to date by whoever it asks."""
    for city in network.cities:
        if city.offline and network.chance.random() < 0.5:
            city.offline = False
    network.clock.pass_hours(24 * 30)
    network.publish("city1", 3)
    network.logs["city2"].delete(next(iter(network.logs["city2"]._newest)))
    network.deliver(network.logs["city2"], "city2")
    spread(network)
    network.check()

    assert 0 == network.lagging(network.logs["city1"].origin)


def test_rotation_is_followed_by_all(network: Network) -> None:
    """A new key, approved by the forum, signs on without a gap."""
    network.rotate("city2")
    network.publish("city2", 2)
    spread(network)
    network.check()
    origin = network.logs["city2"].origin

    assert {2} == {
        len(list(city.keys.membership.members["city2"].logs[0].keys))
        for city in network.honest()
        if city.store.log(origin).head_size == network.logs["city2"].size
    }


def test_fork_shown_to_one_city_is_known_to_all(network: Network) -> None:
    """A second history, shown to a single city, is evidence everywhere soon after."""
    log = network.logs["city0"]
    twin = network.fork("city0", at=3)
    twin.fill(log.size - 1, start=77)
    victim = network.honest()[-1]
    # It had not heard of the log yet: it is shown the second history alone.
    fresh = type(victim)(network, "newcomer")
    network.cities.append(fresh)
    network.relays.append(type(network.relays[0])(fresh, network.chance))
    network.deliver(twin, "newcomer")
    steps = 0
    while network.accusing(log.origin) < len(network.honest()) and steps < STEPS_MAX:
        network.step()
        steps += 1
    network.check()
    statuses = {city.store.log(log.origin).status for city in network.honest()}

    assert {Status.QUARANTINED} == statuses
    assert steps <= STEPS_MAX


@pytest.mark.parametrize("at", [1, 3, 4, 8])
def test_honest_pair_finds_a_fork_within_two_pulls(at: int) -> None:
    """Each shown another history: one pull each way convicts the log at both."""
    network = Network(6, 1, seed=at)
    network.publish("city0", 9)
    log = network.logs["city0"]
    twin = network.fork("city0", at)
    twin.fill(12 - at, start=500)
    left, right = network.cities[4], network.cities[5]
    network.deliver(log, left.name)
    network.deliver(twin, right.name)
    left.ask([network.relays[5]])
    right.ask([network.relays[4]])
    network.check()

    assert [Status.QUARANTINED] * 2 == [
        city.store.log(log.origin).status for city in (left, right)
    ]
