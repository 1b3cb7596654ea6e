"""Which replies mean that another server should have been asked."""

from __future__ import annotations

import pytest
from redis import exceptions

from swapline_producer.ledger.primary import says_wrong_server

A_SCRIPT_BEFORE_7_0 = "Error running script (call to f_e0e1): @user_script:1: @user_script: 1: "


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.ReadOnlyError("You can't write against a read only replica. script: on @user_script:1."),
        exceptions.MasterDownError("Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
        exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        exceptions.ResponseError("UNBLOCKED force unblock from blocking operation, instance state changed"),
        exceptions.ResponseError(A_SCRIPT_BEFORE_7_0 + "-READONLY You can't write against a read only replica."),
        exceptions.ResponseError(A_SCRIPT_BEFORE_7_0 + "-MASTERDOWN Link with MASTER is down"),
    ],
)
def test_a_demoted_server_is_known_by_its_words(error: exceptions.RedisError) -> None:
    assert says_wrong_server(error)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
        exceptions.ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
        exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots"),
        exceptions.NoPermissionError("this user has no permissions to run the 'readonly' command"),
        exceptions.NoScriptError("No matching script."),
        exceptions.ConnectionError("Connection closed by server."),
    ],
)
def test_a_primary_that_refuses_for_another_reason_is_kept(error: exceptions.RedisError) -> None:
    assert not says_wrong_server(error)
