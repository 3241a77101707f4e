"""What everyone saw last: kept in columns, within bounds."""

from watched_runs import play, watched

from recsim_llm.watch import last_pages


def test_where_there_is_no_room_the_last_pages_of_a_visit_are_kept(monkeypatch):
    with watched() as whole:
        play(whole)
    monkeypatch.setattr(last_pages, "_MOST_BYTES", 2 * 24 * 200)
    with watched() as run:
        play(run)
        assert run.arms["random"]._pages.kept == 2
        three = [user["id"] for user in run.users.listed("random", "")["users"] if user["pages"] == 3]
        assert three
        for user in three:
            seen = run.users.shown("random", user)["pages_seen"]
            assert [page["page"] for page in seen] == [1, 2]
            assert seen == whole.users.shown("random", user)["pages_seen"][1:]


def test_before_the_first_page_nothing_was_seen():
    with watched() as run:
        user = run.users.listed("random", "")["users"][0]
        assert (user["visit"], user["pages"], user["clicks"]) == (-1, 0, 0)
        assert run.users.shown("random", user["id"])["pages_seen"] == []


def test_another_visit_takes_the_place_of_the_one_before():
    with watched(visits=2, barrier="visit") as run:
        play(run)
        again = [user for user in run.users.listed("random", "")["users"] if user["visit"] == 1]
        assert again
        for user in again:
            seen = run.users.shown("random", user["id"])["pages_seen"]
            assert [page["page"] for page in seen] == list(range(len(seen)))
            assert len(seen) < user["pages"]
