from howfar.cli.listing import print_list


def test_rows_are_whole_where_no_one_looks(capsys):
    text = "as long as a sentence that no terminal of eighty columns could hold " * 3
    print_list(("name", "what"), [("a", text), ("b", "[red]short")], whole=("name",))
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines[1:]] == [f"a     {text}".rstrip(), "b     [red]short"]


def test_a_terminal_gets_folded_cells(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    print_list(("name", "what"), [("a", "word " * 30)], whole=("name",))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert max(len(line.rstrip()) for line in lines[1:]) <= 40
