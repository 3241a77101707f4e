"""Comparisons: what they claim, what they do not, and how they survive being stopped."""

import csv
import json

import numpy as np
import pyarrow.dataset as arrow
import pytest

from recsim_llm.cli.main import main
from recsim_llm.comparison import Judging
from recsim_llm.comparison.judge import read_finished_tally
from recsim_llm.core.pages import Slates
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError, LogError, RunExistsError
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.recommenders import Popularity
from recsim_llm.report import write_report
from recsim_llm.report.comparison_figure import FIGURE, FIGURE_COLUMNS
from recsim_llm.report.comparison_rows import read_comparison
from recsim_llm.report.comparison_words import plan_lines, verdict_lines
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.blocks import take_block
from recsim_llm.scenarios.compare import compare, compare_again
from recsim_llm.scenarios.planning import plan_comparison
from recsim_llm.scenarios.run_users import rebuild_people
from recsim_llm.scenarios.schema import Block
from recsim_llm.statistics import Estimate, paired_effect

BLANKED = (1, 4)


class Holey(Popularity):
    """Popularity with known slots left empty."""

    def recommend(self, requests, k):
        ids = super().recommend(requests, k).item_id.copy()
        ids[:, list(BLANKED)] = -1
        return Slates(ids)


def scenario(**changes):
    small = {"users.count": 80, "max_pages": 4, "slate_size": 5, "seed": 3, "recommenders": ["popularity", "random"]}
    return load_scenario("demo", small | changes)


def arm(name, recommender, **settings):
    return {"name": name, "recommender": recommender, "settings": settings}


def table(folder, kind, user_ids=None):
    rows = arrow.dataset(folder / kind).to_table().to_pylist()
    return [row for row in rows if user_ids is None or row["user_id"] in user_ids]


class Stopped(Exception):
    """Stands for a kill."""


def stop_after(calls):
    """Return a progress callback that raises at its n-th call."""
    seen = []

    def progress(state):
        seen.append(state)
        if len(seen) == calls:
            raise Stopped

    return progress


def row(comparison, arm, against, metric="clicks_per_user"):
    return next(row for row in comparison.comparisons if (row.metric, row.arm, row.against) == (metric, arm, against))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "run"
    arms = ["popularity", "mf", "random"]
    return folder, compare(scenario(recommenders=arms, **{"users.count": 150}), folder, Judging(effect=0.5))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ab") / "run"
    return compare(load_scenario("ab"), folder)


@pytest.fixture(scope="module")
def sequential(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequential") / "run"
    judging = Judging(until_decided=True, block=60)
    return folder, compare(scenario(**{"users.count": 400}), folder, judging)


def test_the_same_recommender_under_two_names_is_identical_on_every_metric(tmp_path):
    arms = [arm("one", "mf", factors=4), arm("two", "mf", factors=4)]
    comparison = compare(scenario(recommenders=arms), tmp_path / "run")
    assert {found.verdict for found in comparison.comparisons} == {"identical"}
    assert "identical" in comparison.verdict[0]
    assert not any(found.rejected for found in comparison.comparisons)


def test_a_planted_loss_is_found_to_the_click(tmp_path):
    """On the first page a slot's click depends on nothing else, so what emptied slots cost is known exactly."""
    arms = ["popularity", arm("holey", f"{__name__}:Holey")]
    comparison = compare(scenario(recommenders=arms, max_pages=1, invalid="count", **{"users.count": 400}), tmp_path / "run")
    lost = read_finished_tally(tmp_path / "run").clicked_at[0][:, list(BLANKED)].sum(axis=1)
    found = row(comparison, "holey", "popularity")
    assert found.effect.value == pytest.approx(-lost.mean())
    assert found.alone.value == found.effect.value
    assert found.effect.standard_error == pytest.approx(lost.std(ddof=1) / np.sqrt(400))
    assert found.verdict == "worse"
    assert comparison.verdict[0].startswith("popularity got more clicks per user than holey: +")


def test_pairing_needs_three_times_fewer_users_in_the_shipped_example(shipped):
    ratios = [found.variance_ratio for found in shipped.comparisons if found.metric == "clicks_per_user"]
    assert len(ratios) == 3
    assert all(ratio.low > 3.0 for ratio in ratios)


def test_words_claim_only_what_is_rejected(finished):
    _, comparison = finished
    for found in comparison.comparisons:
        if found.verdict in ("better", "worse"):
            assert found.rejected
            assert (found.effect.value > 0.0) == (found.verdict == "better")
        if found.verdict == "undecided":
            assert not found.effect.excludes(0.0)
    assert comparison.verdict[-1].startswith("150 users;")


def test_an_undecided_pair_says_how_many_users_it_needs(tmp_path):
    arms = [arm("few", "mf", factors=8), arm("more", "mf", factors=9)]
    comparison = compare(scenario(recommenders=arms), tmp_path / "run", Judging(effect=0.01))
    found = row(comparison, "more", "few")
    assert found.verdict == "undecided"
    assert found.power.achieved < 0.2
    assert f"users needed for the effect of interest (0.01): {found.power.users_needed:,}" in comparison.verdict[0]


def test_what_was_known_before_takes_variance_out_of_a_sample_but_not_of_everybody(shipped, tmp_path):
    found = row(shipped, "mf-8", "knn-10")
    assert shipped.covariates
    assert found.adjusted.users == 1000
    assert -0.2 < found.adjusted_reduction.value < 1.0
    assert found.adjusted.value != found.effect.value
    everyone = compare(scenario(max_pages=1, **{"users.count": None}), tmp_path / "run")
    assert everyone.covariates == ()
    assert any("the users are all there are" in note for note in everyone.notes)


@pytest.mark.parametrize("count", [50, 900])
def test_the_users_before_the_run_are_rebuilt_from_the_manifest(count, tmp_path):
    folder = run(scenario(max_pages=1, recommenders=["random"], **{"users.count": count}), tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text())
    ids = np.unique([row["user_id"] for row in table(folder, "visits")])
    people = rebuild_people(manifest, ids)
    assert np.array_equal(people.users.user_id, ids)
    known = population_from_ratings(*(lambda data: (data.ratings, data.catalog))(open_dataset("fictional")))
    assert np.array_equal(people.source.traits, known.traits)
    manifest["population"]["fingerprint"] = "another"
    assert rebuild_people(manifest, ids) is None


def test_groups_are_thirds_of_the_population_and_hold_everybody(finished):
    folder, comparison = finished
    assert len(comparison.groups) == 3
    for groups in comparison.groups:
        assert sum(groups.sizes) == 150
        assert [name[:9] for name in groups.groups.names] == ["1st third", "2nd third", "3rd third"]
        mean = sum(size * effect.value for size, effect in zip(groups.sizes, groups.groups.effects, strict=True)) / 150
        assert mean == pytest.approx(row(comparison, groups.arm, groups.against).effect.value)
    again = compare_again(folder, Judging(groups="mainstreamness", metrics=("mean_rating",), correction="bh"))
    assert len(again.comparisons) == 3
    compare_again(folder, Judging(effect=0.5))


def test_a_block_has_the_same_users_whatever_else_is_run():
    people = population_from_ratings(*(lambda data: (data.ratings, data.catalog))(open_dataset("fictional")))
    blocks = [take_block(people, Block(size=70, number=number), seed=5) for number in range(9)]
    assert [len(block) for block in blocks] == [70] * 8 + [40]
    assert sorted(np.concatenate([block.user_id for block in blocks])) == people.user_id.tolist()
    assert not np.array_equal(blocks[0].user_id, take_block(people, Block(size=70, number=0), seed=6).user_id)
    with pytest.raises(ConfigError, match="expected 0 to 8"):
        take_block(people, Block(size=70, number=9), seed=5)


def test_users_of_a_block_do_what_they_do_among_everyone(tmp_path):
    whole = run(scenario(), tmp_path / "whole")
    part = run(scenario(**{"users.block": {"size": 30, "number": 1}}), tmp_path / "part")
    ids = {row["user_id"] for row in table(part, "visits")}
    assert len(ids) == 30

    def place(row):
        return row["arm"], row["user_id"], row["visit"], row["page"], row["position"]

    assert sorted(table(part, "impressions"), key=place) == sorted(table(whole, "impressions", ids), key=place)


def test_users_come_until_it_is_decided(sequential):
    folder, comparison = sequential
    found = row(comparison, "random", "popularity")
    assert comparison.sequential.users == comparison.users < 400
    assert comparison.sequential.decided == {"random": comparison.users}
    assert found.verdict == "worse"
    assert found.effect.excludes(0.0)
    assert f"decided after {comparison.users} users" in comparison.verdict[0]
    assert f"{comparison.users} of 400 users served" in comparison.verdict[-1]
    assert "always-valid" in comparison.verdict[-1]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["users"] == comparison.users
    assert manifest["sequential"]["always_valid"]
    assert len(list((folder / "blocks").iterdir())) == comparison.sequential.blocks


def test_pairs_with_the_first_share_the_error_and_keep_the_look_that_decided_them(tmp_path):
    arms = ["popularity", "random", arm("twin", "popularity")]
    judging = Judging(until_decided=True, block=60, metrics=("clicks_per_user",))
    comparison = compare(scenario(recommenders=arms, **{"users.count": 180}), tmp_path / "run", judging)
    found = [row(comparison, name, "popularity").effect for name in ("random", "twin")]
    assert [effect.confidence for effect in found] == pytest.approx([1.0 - 0.05 / 2] * 2)
    assert row(comparison, "twin", "random").effect.confidence == pytest.approx(1.0 - 0.05 / 3)
    assert found[0].users == comparison.sequential.decided["random"] < comparison.users == found[1].users == 180


def test_an_always_valid_interval_is_wider_than_one_for_a_fixed_number(sequential):
    folder, comparison = sequential
    clicks = read_finished_tally(folder).sums["clicks"]
    fixed = paired_effect(clicks[1], clicks[0]).effect
    found = row(comparison, "random", "popularity").effect
    assert found.value == pytest.approx(fixed.value)
    assert found.low < fixed.low < fixed.high < found.high


def test_joined_blocks_are_a_run_that_others_read(sequential):
    folder, comparison = sequential
    html = write_report(folder).read_text()
    assert f"{comparison.users} simulated users" in html
    assert {row["user_id"] for row in table(folder, "visits")} == {row["user_id"] for row in table(folder, "pages")}
    assert main(["report", str(folder), "--quiet"]) == 0
    before = (folder / "comparison.json").read_bytes()
    assert main(["resume", str(folder), "--quiet"]) == 0
    assert (folder / "comparison.json").read_bytes() == before


def test_users_run_out_where_nothing_differs(tmp_path):
    arms = [arm("one", "mf", factors=4), arm("two", "mf", factors=4)]
    comparison = compare(scenario(recommenders=arms, max_pages=1), tmp_path / "run", Judging(until_decided=True, block=40))
    assert comparison.sequential.users == 80
    assert comparison.sequential.decided == {}
    assert row(comparison, "two", "one").verdict == "identical"


def test_one_user_may_be_left_for_the_last_block(tmp_path):
    arms = ("popularity", {"name": "again", "recommender": "popularity"})
    few = scenario(recommenders=arms, max_pages=1, **{"users.count": 41})
    comparison = compare(few, tmp_path / "run", Judging(until_decided=True, block=20))
    assert (comparison.sequential.blocks, comparison.sequential.users) == (3, 41)


def test_a_difference_too_small_to_matter_ends_it(tmp_path):
    arms = [arm("few", "mf", factors=8), arm("more", "mf", factors=9)]
    judging = Judging(until_decided=True, block=60, effect=30.0)
    comparison = compare(scenario(recommenders=arms, **{"users.count": 400}), tmp_path / "run", judging)
    assert comparison.sequential.users < 400
    assert row(comparison, "more", "few").verdict == "no difference that matters"
    assert "differ by less than the 30 that matters" in comparison.verdict[0]


@pytest.mark.parametrize("judging", [Judging(), Judging(until_decided=True, block=30)], ids=["fixed", "sequential"])
@pytest.mark.parametrize("calls", [1, 5, 7])
def test_a_comparison_that_was_stopped_ends_like_one_that_was_not(judging, calls, tmp_path):
    settings = {"recommenders": [arm("few", "mf", factors=8), arm("more", "mf", factors=9)]}
    compare(scenario(**settings), tmp_path / "whole", judging)
    with pytest.raises(Stopped):
        compare(scenario(**settings), tmp_path / "stopped", judging, stop_after(calls))
    compare(scenario(**settings), tmp_path / "stopped", judging)
    for name in ("comparison.json", "segments.jsonl", "manifest.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_folder_is_judged_again_with_the_same_result(sequential, finished):
    for (folder, _), judging in ((sequential, None), (finished, Judging(effect=0.5))):
        before = (folder / "comparison.json").read_bytes()
        compare_again(folder, judging)
        assert (folder / "comparison.json").read_bytes() == before


def test_a_rule_that_was_fixed_before_the_first_user_stays(sequential):
    folder, _ = sequential
    with pytest.raises(ConfigError, match="another rule"):
        compare_again(folder, Judging(until_decided=True, block=60, confidence=0.5))
    with pytest.raises(RunExistsError, match="other settings"):
        compare(scenario(seed=4, **{"users.count": 400}), folder, Judging(until_decided=True, block=60))


def test_another_runs_folder_is_not_overwritten(finished):
    folder, _ = finished
    with pytest.raises(RunExistsError, match="other settings"):
        compare(scenario(), folder)
    with pytest.raises(RunExistsError, match="other settings"):
        compare(scenario(), folder, Judging(until_decided=True))


def test_one_recommender_and_unknown_groups_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="two or more"):
        compare(scenario(recommenders=["random"]), tmp_path / "run")
    with pytest.raises(ConfigError, match="activity"):
        compare(scenario(), tmp_path / "run", Judging(groups="shoe_size"))
    assert not (tmp_path / "run").exists()


def test_an_unfinished_run_is_not_judged(tmp_path):
    with pytest.raises(Stopped):
        run(scenario(), tmp_path / "run", stop_after(6))
    with pytest.raises(LogError, match="random unfinished"):
        read_finished_tally(tmp_path / "run")
    assert compare_again(tmp_path / "run").users == 80


def test_a_plan_comes_from_a_pilot_of_the_comparisons_own_users(tmp_path):
    plan = plan_comparison(scenario(**{"users.count": 400}), tmp_path / "pilot", Judging(effect=0.5), users=60)
    (pair,) = plan.pairs
    assert (plan.users, plan.pilot, plan.against) == (400, 60, "popularity")
    clicks = read_finished_tally(tmp_path / "pilot").sums["clicks"]
    assert pair.deviation.value == pytest.approx((clicks[1] - clicks[0]).std(ddof=1))
    assert pair.detectable.low < pair.detectable.value < pair.detectable.high
    assert (pair.users_needed <= 400) == (pair.power >= 0.8)
    assert pair.unpaired_users > 0
    assert "smallest difference found" in plan_lines(plan.to_json())[1]


def test_a_plan_from_a_stated_deviation_runs_nothing(tmp_path):
    plan = plan_comparison(scenario(), tmp_path / "pilot", Judging(metrics=("clicks_per_user",)), deviation=2.0)
    assert not (tmp_path / "pilot").exists()
    # 80 users, level 0.05: (1.96 + 0.84) * 2 / sqrt(80), a little more for Student's t.
    assert plan.pairs[0].detectable.value == pytest.approx(0.634, abs=0.002)
    assert plan.pairs[0].detectable == Estimate(value=plan.pairs[0].detectable.value, users=0)


def test_the_page_says_whether_it_is_real_right_after_the_verdict(finished):
    folder, comparison = finished
    html = write_report(folder).read_text()
    headings = [f">{text}</a></h2>" for text in ("Is it real?", "Figures", "Results")]
    order = ['<p class="verdict">', headings[0], f'id="{FIGURE}-title"', *headings[1:]]
    places = [html.index(text) for text in order]
    assert places == sorted(places)
    assert comparison.verdict[0].replace("'", "&#x27;") in html
    assert (folder / "figures" / f"{FIGURE}.png").read_bytes().startswith(b"\x89PNG")
    with (folder / "figures" / f"{FIGURE}.csv").open(encoding="utf-8", newline="") as stream:
        header, *rows = list(csv.reader(stream))
    assert tuple(header) == FIGURE_COLUMNS
    assert len(rows) == len(comparison.comparisons)
    figure = html[html.index(f'id="{FIGURE}-title"') :]
    assert "var(--ink)" in figure[: figure.index("</svg>")]


def test_the_json_alone_gives_the_words(finished):
    folder, comparison = finished
    content = read_comparison(folder)
    assert verdict_lines(content) == list(comparison.verdict)
    assert content["metrics"][0] == {"key": "clicks_per_user", "label": "Clicks per user", "unit": "clicks"}


def test_a_damaged_comparison_is_refused(tmp_path):
    (tmp_path / "comparison.json").write_text("{}")
    with pytest.raises(LogError, match="remove it, or make it anew"):
        read_comparison(tmp_path)


def test_the_command_plans_runs_judges_and_writes(tmp_path, capsys):
    out, content = tmp_path / "run", tmp_path / "comparison.json"
    small = ["--n-users", "60", "--pages", "2", "--recommenders", "popularity,random", "--seed", "1"]
    rule = ["--metrics", "clicks_per_user,mean_rating", "--effect", "0.4", "--correction", "bh", "--groups", "patience"]
    assert main(["compare", "demo", *small, *rule, "--plan", "--pilot", "40", "--out", str(out), "--json", str(content)]) == 0
    printed = capsys.readouterr().out
    assert "smallest difference found" in printed
    assert "popularity got more clicks per user than random" in printed
    assert (out / "report.html").is_file()
    stored = json.loads(content.read_text())
    reading = {"notes": [], "repeats": 0, "skipped": {}, "unread": {}}
    assert stored == json.loads((out / "comparison.json").read_text()) | {"reading": reading}
    assert stored["judging"]["correction"] == "bh"
    assert stored["plan"]["pilot"] == 40
    capsys.readouterr()
    assert main(["compare", str(out), *rule]) == 0
    again = capsys.readouterr().out.partition("again ")[2].split()
    assert again == ["recsim-llm", "compare", str(out), *rule]
    for more in (["--n-users", "9"], ["--out", "elsewhere"], ["--set", "visits=2"], ["--dry-run"], ["--plan"]):
        assert main(["compare", str(out), *more]) == 2
        error = capsys.readouterr().err
        assert "which makes a run" in error
        assert error.count("\n") == 1


def test_the_command_stops_when_decided(tmp_path, capsys):
    arguments = ["--n-users", "200", "--pages", "3", "--recommenders", "popularity,random", "--seed", "1"]
    assert main(["compare", "demo", *arguments, "--until-decided", "--out", str(tmp_path / "run")]) == 0
    assert "always-valid" in capsys.readouterr().out
    assert main(["compare", str(tmp_path / "run"), "--quiet"]) == 0
    assert main(["export", str(tmp_path / "run"), "obp", str(tmp_path / "whole")]) == 2
    block = str(tmp_path / "run" / "blocks" / "000")
    assert f"export its blocks one by one, {block} and" in capsys.readouterr().err
    assert main(["export", block, "obp", str(tmp_path / "block"), "--quiet"]) == 0
    assert (
        main(["compare", "demo", *arguments, "--metrics", "mean_rating", "--until-decided", "--out", str(tmp_path / "no")]) == 2
    )
