"""The estimate before an analysis, and the number of analyses that the process keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from language_client import Client, Refused, StartClient, decode

ANALYZE, ESTIMATE, CONFIGURE, NODE, HEALTH = (
    f"lmTransparency/{name}" for name in ("analyze", "estimate", "configure", "nodeTokens", "health")
)
FRANCE = "The capital of France is"
WAR = "The war lasted from the year 1732 to the year 17"


@pytest.fixture
def roomy(server: Client) -> Iterator[Client]:
    """The shared server, whose budget is restored afterwards."""
    yield server
    server.ask(CONFIGURE, {"traceMemoryMb": 0})


def test_an_estimate_says_tokens_time_memory_and_what_would_fit(server: Client) -> None:
    found = server.ask(ESTIMATE, {"prompt": FRANCE, "workDoneToken": "estimate"})
    meta, _ = decode(server.ask(ANALYZE, {"prompt": FRANCE}))
    assert found["tokens"] == len(meta["tokens"])
    assert 0 < found["seconds"] < 60
    assert 1e6 < found["bytes"] < 1e8
    assert found["fits"]
    assert found["tokens"] < found["longestThatFits"] <= 8192
    longer = server.ask(ESTIMATE, {"prompt": FRANCE * 100})
    assert longer["seconds"] > found["seconds"]
    assert longer["bytes"] > found["bytes"]
    assert server.progress("estimate")[0]["title"] == "Estimating"


@pytest.mark.parametrize("method", [ANALYZE, ESTIMATE])
def test_a_prompt_that_is_none_is_refused_by_both_alike(server: Client, method: str) -> None:
    with pytest.raises(Refused) as caught:
        server.ask(method, {"prompt": ""})
    assert caught.value.kind == "invalidPrompt"


def test_what_costs_more_than_a_client_wants_unasked_is_refused_with_the_figures(server: Client) -> None:
    for limit in ({"askAboveSeconds": 1e-6}, {"askAboveMb": 1.0}):
        msg_id = server.request(ANALYZE, {"prompt": FRANCE, "ask": True, **limit})
        with pytest.raises(Refused, match=r"^5 tokens take (under a second|(at most )?about) .* are free\.$") as caught:
            server.answer(msg_id)
        assert caught.value.kind == "costly"
        (reply,) = server.answers(msg_id)
        assert 1e6 < reply["error"]["data"]["neededBytes"] < reply["error"]["data"]["freeBytes"]
    for calm in ({"ask": True}, {"ask": True, "askAboveSeconds": 600, "askAboveMb": 1e5}, {"askAboveMb": 1.0}):
        assert server.ask(ANALYZE, {"prompt": FRANCE, **calm})["runId"]


def test_under_a_small_budget_the_older_analysis_goes_and_analysed_again_it_is_the_same(roomy: Client) -> None:
    budget = roomy.ask(CONFIGURE, {"traceMemoryMb": 1})
    assert budget == {"traceBudgetBytes": 1_000_000}
    first = roomy.ask(ANALYZE, {"prompt": FRANCE})
    second = roomy.ask(ANALYZE, {"prompt": WAR})
    traces = roomy.ask(HEALTH)["traces"]
    assert (traces["nRuns"], traces["budgetBytes"]) == (1, 1_000_000)
    assert traces["heldBytes"] > 1_000_000
    with pytest.raises(Refused) as caught:
        roomy.ask(NODE, {"runId": first["runId"], "node": "I29_4"})
    assert caught.value.kind == "runExpired"
    assert roomy.ask(NODE, {"runId": second["runId"], "node": "I29_4"})["top"]
    again = roomy.ask(ANALYZE, {"prompt": FRANCE})
    assert roomy.ask(NODE, {"runId": again["runId"], "node": "I29_4"})["top"][0]["text"] == " Paris"
    (_, before), (_, after) = decode(first), decode(again)
    for name in ("attentionResidual", "ffn", "ffnResidual"):
        assert after[name] == pytest.approx(before[name], abs=1e-5)


def test_a_new_budget_is_reported_to_all_and_reset_by_zero(roomy: Client) -> None:
    own = roomy.ask(HEALTH)["traces"]["budgetBytes"]
    assert own == 2_000_000_000
    roomy.ask(CONFIGURE, {"traceMemoryMb": 500})
    said = roomy.wait_for(
        lambda m: (
            m.get("method") == "lmTransparency/healthChanged" and m["params"]["traces"]["budgetBytes"] == 500_000_000
        )
    )
    assert said["params"]["state"] in ("ready", "busy")
    assert roomy.ask(CONFIGURE, {}) == {"traceBudgetBytes": own}


def test_a_budget_on_the_command_line_holds_from_the_start(start: StartClient, tmp_path: Path) -> None:
    client = start("-m", "lm_transparency", "serve", "--trace-memory", "321")
    client.initialize()
    assert client.until_imported()["traces"]["budgetBytes"] == 321_000_000
    refused = start("-m", "lm_transparency", "serve", "--trace-memory", "0")
    assert refused.process.wait(60) == 2
    assert "--trace-memory is 0. It takes 1 or more." in refused.stderr()
