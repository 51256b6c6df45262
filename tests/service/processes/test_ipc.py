"""What the two ends of a channel hear of each other."""

from contextlib import closing

from mirage.service.processes.ipc import Message, open_channel


def test_messages_come_whole_and_in_order() -> None:
    one, other = open_channel()
    with closing(one), closing(other):
        said = [Message("ready"), Message("failed", code=3, text="models are „away“\n" * 3)]
        assert all(one.tell(message) for message in said)
        assert [other.hear(), other.hear(), other.hear()] == [*said, None]
        assert other.tell(Message("ready"))
        assert one.hear() == Message("ready")


def test_an_end_that_is_closed_is_heard_of_and_takes_nothing() -> None:
    one, other = open_channel()
    with closing(one):
        assert one.tell(Message("ready"))
        other.close()
        assert not one.tell(Message("ready"))
        heard = one.hear()
        assert heard is not None
        assert heard.word == "gone"


def test_nothing_waits_for_an_end_that_does_not_listen() -> None:
    one, other = open_channel()
    with closing(one), closing(other):
        told = 0
        while one.tell(Message("ready")):
            told += 1
        heard = 0
        while other.hear() is not None:
            heard += 1
        assert told == heard > 0


def test_a_long_text_is_cut() -> None:
    one, other = open_channel()
    with closing(one), closing(other):
        assert one.tell(Message("failed", code=1, text="\N{PILE OF POO}" * 10_000))
        heard = other.hear()
        assert heard is not None
        assert heard.text == "\N{PILE OF POO}" * 1000
