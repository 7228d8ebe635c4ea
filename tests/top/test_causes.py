"""Why a process may hang, told from what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zmq.top.causes import causes

if TYPE_CHECKING:
    from conftest import Shop


def told(shop: Shop, before: Shop | None = None) -> list[tuple[str, bool]]:
    return [(each["kind"], each["certain"]) for each in causes(shop.state, None if before is None else before.state)]


def text_of(shop: Shop) -> str:
    (found,) = causes(shop.state)
    return str(found["text"])


def test_nothing(shop: Shop) -> None:
    shop.hub()
    shop.wait("receive", shop.socket("REP", "orders", bound="tcp://127.0.0.1:5555"), seconds=1000)
    assert told(shop) == []


def test_a_hub_that_is_kept_by_a_plain_call(shop: Shop) -> None:
    stack = [{"function": "read", "file": "/srv/shop.py", "line": 7, "source": "prices.recv()"}]
    hub = shop.hub(answers=False, seconds=0.3, keeper="Greenlet 'prices' at 0x3", stack=stack)
    shop.wait("receive", shop.socket("PULL", "prices"), greenlet="Greenlet 'prices' at 0x3", stack=stack)
    text = text_of(shop)
    assert "not run for at least 5.0 s: Greenlet 'prices' at 0x3 keeps it, in a plain call that waits for" in text
    assert 'at File "/srv/shop.py", line 7, in read: prices.recv()' in text and text.endswith("should be zmq.green's")
    hub["runs"] = False
    # A plain call is told of by itself, too.
    assert "Greenlet 'prices' at 0x3 has blocked thread 'MainThread'" in text_of(shop)


def test_a_hub_that_is_kept_by_something_else(shop: Shop) -> None:
    shop.hub(answers=False, seconds=3.0)
    text = text_of(shop)
    assert text == "The hub of thread 'MainThread' (gevent) has not run for at least 3.0 s: its thread keeps it"
    # For a moment any may.
    shop.state["hubs"][0]["seconds"] = 0.3
    assert told(shop) == [("hub", False)]


def test_a_context_that_does_not_end(shop: Shop) -> None:
    entry = shop.wait("term", context="0x1", waits_for="the end of Context 'shop'")
    assert "no socket is open, so what was sent still goes out (LINGER)" in text_of(shop)
    shop.socket("PUSH", "audit")
    other = shop.socket("PUSH", "other")
    shop.state["statistics"]["sockets"][-1]["context"] = "0x9"
    assert "term() has waited for the end of Context 'shop' for 5.0 s: PUSH 'audit' is still open" in text_of(shop)
    assert other and "other" not in text_of(shop)
    entry["seconds"] = 0.5
    assert told(shop) == []


def test_no_room_to_send(shop: Shop) -> None:
    shop.wait("send", shop.socket("XPUB", "news", bound="inproc://news"))
    assert "no peer is there that takes messages" in text_of(shop)
    slow = shop.socket("SUB", "archive", connected="inproc://news")
    assert "XPUB 'news' has had no room to send for 5.0 s: nobody receives from SUB 'archive'" in text_of(shop)
    shop.wait("poll", slow, seconds=0.1)
    assert ": the high-water mark is reached, at" in text_of(shop)


def test_a_request_that_was_lost(shop: Shop) -> None:
    till = shop.socket("REQ", "till", connected="tcp://127.0.0.1:5555")
    bank = shop.socket("REP", "bank", bound="tcp://127.0.0.1:5555")
    waiting = shop.wait("receive", till)
    assert "REQ 'till' has waited to receive for 5.0 s, and nobody receives from its peer REP 'bank'" in text_of(shop)
    # It may work on the answer.
    assert told(shop) == [("unread", False)]
    shop.wait("receive", bank)
    assert "they are out of step" in text_of(shop) and told(shop) == [("step", True)]
    waiting["seconds"] = 0.1
    assert told(shop) == []


def test_a_broker_that_forgets_a_worker(shop: Shop) -> None:
    orders, kitchen = shop.socket("ROUTER", "orders", bound="a"), shop.socket("ROUTER", "kitchen", bound="b")
    customer, cook = shop.socket("REQ", "customer", connected="a"), shop.socket("REQ", "cook", connected="b")
    shop.wait("receive", customer)
    shop.wait("receive", cook)
    broker = shop.wait("poll", kitchen)
    assert told(shop) == [("unread", True), ("mutual", False)]
    first, second = (each["text"] for each in causes(shop.state))
    assert "REQ 'customer'" in first and "nobody receives from its peer ROUTER 'orders'" in first
    assert "'cook'" in second and "ROUTER 'kitchen'" in second
    broker["sockets"].append(orders)
    # An idle broker has both.
    assert [certain for _, certain in told(shop)] == [False, False]


def test_what_idle_peers_look_like(shop: Shop) -> None:
    shop.wait("receive", shop.socket("SUB", "watch", connected="a"))
    shop.socket("PUB", "news", bound="a")
    shop.wait("receive", shop.socket("PULL", "jobs", bound="b"))
    shop.socket("PUSH", "source", connected="b")
    shop.wait("receive", shop.socket("REP", "orders", bound="c"))
    shop.socket("REQ", "customer", connected="c")
    assert told(shop) == []


def test_a_req_that_nobody_waits_for(shop: Shop) -> None:
    till = shop.socket("REQ", "till", connected="a", messages_sent=3, messages_received=2)
    assert told(shop) == [("step", False)]
    # It may have REQ_RELAXED, with which that is nothing.
    assert told(shop.later(), shop) == [("step", False)]
    assert "sent 3 requests and got 2 answers, and nobody waits for the next" in text_of(shop)
    shop.wait("receive", till, seconds=0.1)
    assert told(shop) == []


def test_a_req_that_goes_on_is_a_hint_at_most(shop: Shop) -> None:
    shop.socket("REQ", "till", connected="a", messages_sent=3, messages_received=2)
    later = shop.later()
    later.state["statistics"]["sockets"][0]["counters"].update(messages_sent=4, messages_received=3)
    assert told(later, shop) == [("step", False)]
    later.state["statistics"]["sockets"][0]["counters"].update(messages_received=4)
    assert told(later, shop) == []


def test_a_req_with_several_unanswered_requests_is_relaxed(shop: Shop) -> None:
    shop.socket("REQ", "till", connected="a", messages_sent=4, messages_received=2)
    assert told(shop.later(), shop) == []


def test_a_subscriber_that_is_too_slow(shop: Shop) -> None:
    news = shop.socket("PUB", "news", bound="a", messages_sent=5000, messages_received=0)
    slow = shop.socket("SUB", "archive", connected="a", messages_sent=0, messages_received=40)
    assert news and told(shop) == [("slow", False)]
    assert "SUB 'archive' received 40 of the 5,000 messages that PUB 'news' sent" in text_of(shop)
    shop.wait("receive", slow)
    assert told(shop) == []


def test_sockets_without_names_are_called_by_where_they_are(shop: Shop) -> None:
    shop.wait("send", shop.socket("PUSH", connected="tcp://127.0.0.1:5555"))
    assert text_of(shop).startswith("PUSH at tcp://127.0.0.1:5555 has had")
    nowhere: Any = shop.socket("PUSH")
    shop.state["statistics"]["waiting"][0]["sockets"] = [nowhere]
    assert text_of(shop).startswith(f"PUSH at {nowhere} has had")
