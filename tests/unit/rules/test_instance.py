"""CIRCLE's words: each state, operation, activity and field of an instance has one, and each front tells the same."""

from __future__ import annotations

from typing import get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from cm.results.instance import InstanceDetail
from cm.rpc.vocabulary import InstanceOperation, InstanceStatus, Seen, VMEventCode, Wanted
from cm.rules.instance import (
    ACTIVITIES,
    DISPLAYED,
    ENDED,
    FIELDS,
    ICONS,
    OPERATIONS,
    InstanceFacts,
    Source,
    activity_code,
    connect_uri,
    error_of,
    instance_status,
    preferred,
    readable,
    resultant_state,
)
from cm.rules.operation import SPECS, OperationKind
from cm.rules.vm import EC2_STATE, XO_POWER_STATE, VMFacts, status

FACTS = st.builds(
    VMFacts,
    wanted=st.sampled_from(Wanted),
    seen=st.sampled_from(Seen),
    closed=st.booleans(),
    failed=st.booleans(),
    work=st.none() | st.sampled_from(OperationKind),
)
# As seed 000 has them, in its order.
SEED = """
num_cores ram_size max_ram_size arch priority access_method boot_menu lease raw_data req_traits system tags has_agent
name description template pw time_of_suspend time_of_delete node disks vnc_port is_base owner destroyed_at interfaces
addresses status block_device_mapping launched_at terminated_at
""".split()
SEVEN = {"NOSTATE", "RUNNING", "STOPPED", "SUSPENDED", "ERROR", "PENDING", "DESTROYED"}


@given(FACTS, st.booleans())
def test_status_is_total(facts: VMFacts, launched: bool) -> None:
    """Every VM has a word of CIRCLE's, and no front tells of a VM that runs while another says that it does not."""
    state = status(facts)
    told = instance_status(InstanceFacts(state, facts.work, facts.seen, launched))
    assert DISPLAYED[told] and ICONS[told]
    assert (told is InstanceStatus.DESTROYED) == (state in ENDED) == (EC2_STATE[state] == "terminated")
    if facts.work is None and not facts.closed:
        assert (told is InstanceStatus.RUNNING) == (XO_POWER_STATE[state] == "Running") == (facts.seen is Seen.RUNNING)
        assert (told is InstanceStatus.PAUSED) == (XO_POWER_STATE[state] == "Paused")
        assert (told is InstanceStatus.SUSPENDED) == (XO_POWER_STATE[state] == "Suspended")


def test_words() -> None:
    """The seed's seven are there; the other two are CIRCLE's code's."""
    assert {each.value for each in InstanceStatus} == SEVEN | {"MIGRATING", "PAUSED"}
    assert set(DISPLAYED) == set(ICONS) == set(InstanceStatus)
    assert [DISPLAYED[InstanceStatus(each)] for each in ("NOSTATE", "ERROR")] == ["no state", "error"]


def test_operations() -> None:
    """Each has the work of ours that it is, and what that leads to is what it says."""
    assert set(OPERATIONS) == set(InstanceOperation)
    for operation, spec in OPERATIONS.items():
        if spec.kind is not None:
            assert SPECS[spec.kind].call == spec.view.removeprefix("user.")
            assert resultant_state(spec.kind) is spec.resultant
            assert activity_code(spec.kind) == f"vm.Instance.{operation}"


def test_preferred() -> None:
    found = {each: preferred(each, False) for each in InstanceStatus}
    assert found[InstanceStatus.RUNNING] is InstanceOperation.SLEEP
    assert preferred(InstanceStatus.RUNNING, True) is InstanceOperation.SAVE_AS_TEMPLATE
    assert found[InstanceStatus.STOPPED] is found[InstanceStatus.PENDING] is InstanceOperation.DEPLOY
    assert found[InstanceStatus.SUSPENDED] is InstanceOperation.WAKE_UP
    assert found[InstanceStatus.DESTROYED] is found[InstanceStatus.MIGRATING] is None


def test_activities() -> None:
    """Whatever is in the journal has a code and a sentence, be its parameters not known."""
    assert set(ACTIVITIES) == set(OperationKind) | set(VMEventCode)
    assert all(readable(each, {}) for each in ACTIVITIES)
    assert readable(VMEventCode.RENAME, {"old_name": "a", "new_name": "{b}"}) == 'It was called "a", now "{b}".'
    assert activity_code(OperationKind.IMAGE_CACHE, "vm.Instance.create") == "vm.Instance.create.copy_image"
    assert (error_of("vm_busy", False), error_of("vm_wrong_state", True), error_of("too_large", False)) == (
        "ActivityInProgressError", "InstanceDestroyedError", "",
    )  # fmt: skip


def test_fields() -> None:
    """The seed's are all there, in its order, each with where it comes from, and so is whatever is answered beside."""
    assert list(FIELDS)[: len(SEED) + 1] == [*SEED[:25], "is_active", *SEED[25:]]
    told = set(get_type_hints(InstanceDetail)) - {"vm_id", "uuid", "owner_login", "lease_name"}
    assert told == set(FIELDS)
    read = {name for name, each in FIELDS.items() if each.source is Source.DOMAIN}
    assert read == {"status", "launched_at", "terminated_at"}
    assert all(not each.by for each in FIELDS.values() if each.source is not Source.DATABASE)


def test_connect_uri() -> None:
    assert connect_uri("ssh", "2001:db8::7", 22, "debian") == "ssh://debian@[2001:db8::7]:22"
    assert connect_uri("rdp", "203.0.113.9", 3390, "") == "rdp://203.0.113.9:3390"
