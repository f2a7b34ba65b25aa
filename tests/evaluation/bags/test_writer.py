"""Bags written as streams: read back, replaced whole or not at all."""

from __future__ import annotations

import pytest
from rosbags.typesys import Stores, get_typestore

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.bags.reader import RecordedMessage, RecordedTopic, open_bag
from defocus_depth.evaluation.bags.writer import new_bag

STORE = get_typestore(Stores.ROS2_JAZZY)
STRING = "std_msgs/msg/String"


def messages(count: int) -> list[RecordedMessage]:
    make = STORE.types[STRING]
    cdrs = [bytes(STORE.serialize_cdr(make(f"word {index}"), STRING)) for index in range(count)]
    return [RecordedMessage("/words", 10 + index, cdr) for index, cdr in enumerate(cdrs)]


@pytest.mark.parametrize("name", ["new/words.mcap", "new/words"])
def test_a_single_file_or_a_folder(tmp_path, name) -> None:
    for count in (3, 5):  # the second replaces the first
        with new_bag(tmp_path / name, overwrite=count == 5) as bag:
            bag.add_topic(RecordedTopic("/words", STRING))
            for message in messages(count):
                bag.write(message)
        with open_bag(tmp_path / name) as bag:
            assert list(bag.messages(["/words"])) == messages(count)
    assert (tmp_path / name).is_dir() == (not name.endswith(".mcap"))
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name.removeprefix("new/")]


def test_after_an_error_the_old_bag_is_still_there(tmp_path) -> None:
    path = tmp_path / "words.mcap"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), new_bag(path, overwrite=True) as bag:
        bag.add_topic(RecordedTopic("/words", STRING))
        raise ZeroDivisionError
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_what_was_written_under_the_name_meanwhile_is_not_replaced_either(tmp_path) -> None:
    path = tmp_path / "words.mcap"
    with pytest.raises(ConfigError, match="expected the name of a new bag"), new_bag(path) as bag:
        bag.add_topic(RecordedTopic("/words", STRING))
        path.write_text("another process's")
    assert path.read_text() == "another process's" and len(list(tmp_path.iterdir())) == 1


def test_types_of_the_users_own_keep_their_definition(tmp_path) -> None:
    path = tmp_path / "own.mcap"
    with new_bag(path) as bag:
        bag.add_topic(RecordedTopic("/own", "own_msgs/msg/Own", definition="uint8 x\n"))
        bag.write(RecordedMessage("/own", 1, b"\0\1\0\0\7"))
        with pytest.raises(ConfigError, match="/strange: expected the definition of no_msgs/msg/No, got none"):
            bag.add_topic(RecordedTopic("/strange", "no_msgs/msg/No"))
    with open_bag(path) as bag:
        assert [(topic.type, topic.definition) for topic in bag.topics] == [("own_msgs/msg/Own", "uint8 x\n")]


def test_a_folder_that_is_no_bag_is_not_replaced(tmp_path) -> None:
    (tmp_path / "precious").mkdir()
    with pytest.raises(ConfigError, match="precious: expected a new bag or one to replace, got a folder that is none"):
        with new_bag(tmp_path / "precious", overwrite=True):
            pass


@pytest.mark.parametrize("name", ["words.mcap", "words"])
def test_nothing_is_replaced_unasked(tmp_path, name) -> None:
    with new_bag(tmp_path / name) as bag:
        bag.add_topic(RecordedTopic("/words", STRING))
        bag.write(messages(1)[0])
    with pytest.raises(ConfigError, match=r"expected the name of a new bag \(or --overwrite\), got one that exists"):
        with new_bag(tmp_path / name):
            pass
    with open_bag(tmp_path / name) as bag:
        assert list(bag.messages(["/words"])) == messages(1)


def test_what_lies_beside_a_bag_in_its_folder_is_never_deleted(tmp_path) -> None:
    path = tmp_path / "words"
    with new_bag(path) as bag:
        bag.add_topic(RecordedTopic("/words", STRING))
    (path / "notes.txt").write_text("precious")
    with pytest.raises(ConfigError, match="expected a folder with nothing but a bag to replace, got .'notes.txt'. in"):
        with new_bag(path, overwrite=True):
            pass
    assert (path / "notes.txt").read_text() == "precious"


def test_a_file_that_is_no_bag_is_not_replaced_by_a_folder(tmp_path) -> None:
    (tmp_path / "words.db3").write_text("precious")
    with pytest.raises(ConfigError, match="expected a new bag or one to replace, got a file that is no .mcap"):
        with new_bag(tmp_path / "words.db3", overwrite=True):
            pass
