"""What the two ends of a channel hear of each other."""

from contextlib import closing

from mirage.service.processes.ipc import Message, open_channel


def test_messages_come_whole_and_in_order() -> None:
    one, other = open_channel()
    with closing(one), closing(other):
        said = [Message("ready"), Message("failed", code=3, text="models are „away“\n" * 3)]
        assert all(one.send(message) for message in said)
        assert [other.receive(), other.receive(), other.receive()] == [*said, None]
        assert other.send(Message("ready"))
        assert one.receive() == Message("ready")


def test_an_end_that_is_closed_is_heard_of_and_takes_nothing() -> None:
    one, other = open_channel()
    with closing(one):
        assert one.send(Message("ready"))
        other.close()
        assert not one.send(Message("ready"))
        heard = one.receive()
        assert heard is not None
        assert heard.word == "gone"


def test_nothing_waits_for_an_end_that_does_not_listen() -> None:
    one, other = open_channel()
    with closing(one), closing(other):
        told = 0
        while one.send(Message("ready")):
            told += 1
        heard = 0
        while other.receive() is not None:
            heard += 1
        assert told == heard > 0


def test_a_long_text_is_cut() -> None:
    one, other = open_channel()
    with closing(one), closing(other):
        assert one.send(Message("failed", code=1, text="\N{PILE OF POO}" * 10_000))
        heard = other.receive()
        assert heard is not None
        assert heard.text == "\N{PILE OF POO}" * 1000
