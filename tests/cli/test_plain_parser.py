"""Wrong arguments: one line, no page of usage."""

import pytest

from recsim_llm.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rum", "demo"], "did you mean 'run'?; see `recsim-llm --help`"),
        ([], "got no COMMAND, expected one"),
        (["run"], "got no scenario, expected one; see `recsim-llm run --help`"),
        (["run", "demo", "--n-users", "many"], "--n-users: got 'many', expected a whole number"),
        (["run", "demo", "--max-cost", "much"], "--max-cost: got 'much', expected a number"),
        (["run", "demo", "--n-users"], "--n-users: got nothing after it, expected a value"),
        (["run", "demo", "--pagse", "3"], "got unknown option --pagse, expected --pages"),
        (["run", "demo", "ab"], "got one argument too many, 'ab', expected none"),
        (
            ["compare", "ab", "--correction", "holms"],
            "--correction: got 'holms', expected one of holm, bh; did you mean 'holm'?",
        ),
    ],
)
def test_wrong_arguments_are_one_line(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert printed.startswith("recsim-llm: ")
