"""Shell commands: whatever a value holds and wherever it is put, a shell takes it for a text."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from codegen.expressions import ExpressionSyntaxError, ExpressionValueError, parse_template

SHELLS = [shell for shell in ("sh", "bash") if shutil.which(shell)]
HOSTILE = [
    "plain",
    "",
    " two  words ",
    "$(touch canary)",
    "`touch canary`",
    "'; touch canary; '",
    '"; touch canary; "',
    "' \" $(touch canary) `touch canary` \\",
    "a\ntouch canary\nb",
    "'\ntouch canary\n'",
    "\\",
    "\\'",
    "$HOME",
    "~",
    "*",
    "-n",
    "#",
    "!!",
    "{a,b}",
    "a;b&c|d<e>f(g)",
    "\t\r\x0b\x7f",
    "é ☃ \U0001f512",
    "%s%d\\n",
]


def rendered(text: str, **scope: Any) -> str:
    return parse_template(text).render_shell(scope)


def run(shell: str, command: str, folder: Path) -> str:
    finished = subprocess.run(
        [shell, "-c", command], capture_output=True, cwd=folder, env={"PATH": "/usr/bin:/bin"}, check=True
    )
    assert not list(folder.iterdir()), "the command has run what a value holds"
    return finished.stdout.decode()


PLACES = {
    "a word": ("printf '[%s]' {{ v }}", "[{v}]"),
    "part of a word": ("printf '[%s]' --name={{ v }}.log", "[--name={v}.log]"),
    "double quotes": ("printf '[%s]' \"a {{ v }} b\"", "[a {v} b]"),
    "double quotes twice": ('printf \'[%s]\' "{{ v }}""{{ v }}"', "[{v}{v}]"),
    "single quotes": ("printf '[%s]' 'a {{ v }} b'", "[a {v} b]"),
    "after a variable in quotes": ("X=1; printf '[%s]' \"$X{{ v }}\"", "[1{v}]"),
    "after a $ in quotes": ("printf '[%s]' \"cost: ${{ v }}\"", "[cost: ${v}]"),
    "a substitution": ("printf '[%s]' $(printf %sx {{ v }} | wc -c | tr -d ' ')", "[{bytes}]"),
    "a substitution in quotes": ("printf '[%s]' \"$(printf '%s.' {{ v }})\" {{ v }}", "[{v}.][{v}]"),
    "quotes in a substitution in quotes": ("printf '[%s]' \"$(printf '%s.' \"{{ v }}\")\"", "[{v}.]"),
    "a subshell": ("(printf '[%s]' {{ v }})", "[{v}]"),
    "an assignment": ("X={{ v }}; printf '[%s]' \"$X\"", "[{v}]"),
    "after a comment with quotes": ("# it's a \"comment\nprintf '[%s]' {{ v }}", "[{v}]"),
    "after a continued line": ("printf '[%s]' \\\n  {{ v }}", "[{v}]"),
    "after a continued comment": ("true \\\n# it's\nprintf '[%s]' {{ v }}", "[{v}]"),
    "after a # within a word": ("printf '[%s]' a#'b' $#'{{ v }}' 'c'#{{ v }}", "[a#b][0{v}][c#{v}]"),
    "after escaped quotes": ("printf '[%s]' \\\"\\' {{ v }}", "[\"'][{v}]"),
    "after an escaped quote in quotes": ('printf \'[%s]\' "\\" {{ v }}"', '[" {v}]'),
    "after a parameter": ("X=1; printf '[%s]' ${X:-'a}b'} \"${X%\"*\"}\" {{ v }}", "[1][1][{v}]"),
    "after backticks": ("printf '[%s]' `printf \"a'\"`'b' {{ v }}", "[a'b][{v}]"),
    "after arithmetic": ("printf '[%s]' $(( (1 + 2) * 2 )) {{ v }}", "[6][{v}]"),
    "after a case": ("case a in a) printf '[%s]' \"{{ v }}\";; esac; printf '[%s]' {{ v }}", "[{v}][{v}]"),
    "a here-document": ("cat <<END\n[$((1 + 1)) {{ v }}]\nEND\nprintf '[%s]' {{ v }}", "[2 {v}]\n[{v}]"),
    "a literal here-document": ("cat <<'END'\n[$X {{ v }}]\nEND\nprintf '[%s]' {{ v }}", "[$X {v}]\n[{v}]"),
    "two here-documents": (
        "cat <<A - <<-\"B\"\nit's\nA\n\tit's {{ v }}\n\tB\nprintf '[%s]' {{ v }}",
        "it's {v}\n[{v}]",
    ),
    "substitution in a here-document": ("cat <<END\n[$(printf '%s.' {{ v }})]\nEND", "[{v}.]\n"),
    "a condition": (
        "printf '[%s]' {% if v != 1 %}\"{{ v }}\"{% else %}'no'{% endif %} {{ v }}",
        "[{v}][{v}]",
    ),
    "a loop": ("{% for x in [v, v] %}printf '[%s]' \"{{ x }}\"\n{% endfor %}", "[{v}][{v}]"),
    "a set block": ("{% set x %}'[%s]' {{ v }}{% endset %}printf {{ x }}", "[{v}]"),
    "a list": ("printf '[%s]' {{ [v, 'a b', v] }}", "[{v}][a b][{v}]"),
    "a list in quotes": ("printf '[%s]' \"{{ [v, 'a'] }}\"", "[{v} a]"),
    "quoted by hand": ("printf '[%s]' {{ v | quote }} \"{{ v | quote }}\"", "[{v}][{v}]"),
    "quoted by hand in a list": ("printf '[%s]' {{ [v, 'a'] | quote }}", "[{v}][a]"),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("template", "output"), PLACES.values(), ids=PLACES.keys())
def test_a_value_stays_a_text_wherever_it_is_put(
    shell: str, template: str, output: str, tmp_path: Path
) -> None:
    """A real shell prints exactly what the value is, and runs nothing of it."""
    values = [value for value in HOSTILE if not (value.startswith("\t") and "<<-" in template)]
    commands = [rendered(template, v=value) for value in values]
    expected = [
        output.replace("{v}", value).replace("{bytes}", str(len(value.encode()) + 1)) for value in values
    ]
    script = "\nprintf '\\001'\n".join(commands)
    assert run(shell, script, tmp_path).split("\x01") == expected


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_in_a_comment_stays_there_or_is_refused(value: str, tmp_path: Path) -> None:
    """A line break would end the comment."""
    template = "# {{ v }}\nprintf '[%s]' x # {{ v }}"
    if "\n" in value or "\r" in value:
        with pytest.raises(ExpressionValueError, match="a comment ends with its line"):
            rendered(template, v=value)
    else:
        assert run("sh", rendered(template, v=value), tmp_path) == "[x]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo `ls {{ v }}`", "between backticks"),
        ('echo "`ls {{ v }}`"', "between backticks"),
        ("echo ${X:-{{ v }}}", "between ${ and }"),
        ('echo "${X:-"{{ v }}"}"', "between ${ and }"),
        ("echo $'{{ v }}'", "between $' and '"),
        ('echo $(( "{{ v }}" ))', "in quotes within (( ))"),
        ("echo ${{ v }}", "leave the $ out"),
        ("echo $HOME{{ v }}", "write ${HOME}"),
        ("echo \\{{ v }}", "can't follow a backslash"),
        ('echo "\\{{ v }}"', "can't follow a backslash"),
        ("cat <<E\n\\{{ v }}\nE", "can't follow a backslash"),
        ("cat <<E\n$X{{ v }}\nE", "write ${X}"),
        ("cat <<{{ v }}", "can't be told"),
        ("cat <<E{{ v }}", "can't be told"),
        ('cat <<E"O"F {{ v }}', "can't be told"),
        ("echo $[{{ v }}]", "can't be told"),
        ('echo "$(case a in a) echo {{ v }};; esac)"', "can't be told"),
        ('echo "${X:-\'}" {{ v }}', "can't be told"),
        ("echo $'it\\'s' {{ v }}", "can't be told"),
        ("{% if a %}'{% endif %}{{ v }}", "open and close them on the same side"),
        ("'{% if a %}'{% else %}x{% endif %}{{ v }}", "open and close them on the same side"),
        ("{% for a in b %}'{% endfor %}{{ v }}", "open and close them on the same side"),
        ("{% if a %}x{% else %} {% endif %}# '{{ v }}", "can't be told"),
        ("{% set x %}'{% endset %}{{ x }}", "a set block of a command ends within quotes"),
    ],
)
def test_where_no_quoting_is_safe_a_value_is_refused(text: str, message: str) -> None:
    """When the template is checked, not when it runs; as plain text it is fine."""
    template = parse_template(text)
    with pytest.raises(ExpressionSyntaxError) as caught:
        template.check_shell()
    assert message in str(caught.value)
    with pytest.raises(ExpressionSyntaxError):
        template.render_shell({"v": 1, "a": 1, "b": []})
    assert "v" in template.names or "x" in text


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("ls {{ v | raw }}", "ls $(id) *"),
        ("ls `{{ v | raw }}`", "ls `$(id) *`"),
        ("{% set w = v | raw %}ls {{ w }}", "ls $(id) *"),
        ("ls {{ [v | raw, v] }}", "ls $(id) * '$(id) *'"),
        ("ls {{ (v | raw) ~ '' }}", "ls '$(id) *'"),
        ("ls {{ v | raw | upper }}", "ls '$(ID) *'"),
    ],
)
def test_raw_opts_out_for_the_value_itself(text: str, command: str) -> None:
    """Whatever is made of it is quoted again."""
    assert rendered(text, v="$(id) *") == command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("kill -{{ n }} {{ f }} {{ b }}", "kill -9 1.5 true"),
        ("echo $(( {{ n }} + {{ f | int }} ))", "echo $(( 9 + 1 ))"),
        ("(( {{ n }} > 3 ))", "(( 9 > 3 ))"),
        ("ls {{ '-l' if b }} {{ '-a' if not b }}", "ls -l "),
        ("ls {{ [] }}.", "ls ."),
        ("{{ d }}", "'{'\"'\"'a'\"'\"': 1}'"),
        ("docker ps --format '{% raw %}{{.ID}}{% endraw %}' {{ n }}", "docker ps --format '{{.ID}}' 9"),
        ('echo "{{ n }}"', 'echo "9"'),
    ],
)
def test_harmless_values_are_written_plainly(text: str, command: str) -> None:
    """So that a command reads as one would have written it."""
    assert rendered(text, n=9, f=1.5, b=True, d={"a": 1}) == command


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ls {{ v.none }}", "v.none is none, which has no place in a command (add | default('', true))"),
        ("ls {{ [1, v.none] }}", "is none"),
        ("ls {{ v.none | raw }}", "is none"),
        ("ls {{ v.none | quote }}", "is none"),
        ("ls {{ v.absent }}", 'v has no "absent"'),
        ("ls {{ v.absent | raw }}", 'v has no "absent"'),
        ("ls {{ v.nul }}", "a value holds a NUL character"),
        ("echo $(( {{ v.word }} ))", "v.word is no number"),
        ("echo $(( {{ v.absent }} ))", 'v has no "absent"'),
        ("cat <<E\n{{ v.word }}\nE", 'v.word holds "E", which ends the here-document'),
        ('{% set x %}a {{ v.word }}{% endset %}echo "{{ x }}"', "x is a piece of a command"),
    ],
)
def test_a_value_that_can_not_be_put_into_a_command_is_an_error(text: str, message: str) -> None:
    """It names the value by how it is written, not by what it holds."""
    with pytest.raises(ExpressionValueError) as caught:
        rendered(text, v={"none": None, "nul": "a\0b", "word": "THE END"})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "cat <<END\nE{{ v }}\nEND",
        "cat <<'END'\nEN{{ v }}\nEND",
        "cat <<END\nEND{{ v }}\nEND",
        "cat <<-END\n\tE{{ v }}\n\tEND",
        "cat <<END\n{{ v }}{{ v }}\nEND",
        "cat <<END\n{{ v }}N{{ v }}\nEND",
        "cat <<END\n{{ v }}D\nEND",
        "cat <<END\n{{ v }}\\\n{{ v }}\nEND",
        "cat <<END\n{% if v %}E{% else %}x{% endif %}{{ v }}\nEND",
        "cat <<END\n{% for x in v %}{{ x }}{% endfor %}\nEND",
        "cat <<END\n{% for x in v %}E{{ x }}{% endfor %}\nEND",
    ],
)
def test_a_value_and_its_neighbours_can_not_end_a_here_document(text: str) -> None:
    """Each part alone is harmless: `E` and then `ND`. What follows would run as commands."""
    with pytest.raises(ExpressionSyntaxError):
        parse_template(text).check_shell()


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("cat <<END\nuser={{ v }}, {{ v }} and {{ v }}: {{ v }} Error\nEND", "user=E, E and E: E Error\n"),
        ("cat <<END\nall:{% for x in [v, v] %}\n{{ x }}{% endfor %}\nEND", "all:\nE\nE\n"),
        ("cat <<END\n{% for x in [v, v] %}{{ x }}\n{% endfor %}END", "E\nE\n"),
        ("cat <<END\n{% for x in [v, v] %}{{ x }}, {% endfor %}\nEND", "E, E, \n"),
        ("cat <<END\n{% if v %}a: {% else %}b: {% endif %}{{ v }} ${X}{{ v }}\nEND", "a: E E\n"),
        ("cat <<END\n{{ v }} \\\n {{ v }}\nEND", "E  E\n"),
    ],
)
def test_values_beside_other_text_in_a_here_document(text: str, output: str, tmp_path: Path) -> None:
    """A character that is not part of the word is enough to keep them apart from it."""
    for shell in SHELLS:
        assert run(shell, rendered(text, v="E"), tmp_path) == output


def test_a_substitution_in_a_here_document_takes_no_value_that_ends_it() -> None:
    """bash looks for the word before it looks for the substitution."""
    with pytest.raises(ExpressionValueError, match="ends the here-document"):
        rendered("cat <<END\n$(printf %s {{ v }})\nEND", v="x\nEND\ntouch hacked #")


def test_default_helps_against_none() -> None:
    """The cure that the message names works."""
    assert rendered("ls {{ v | default('', true) }}", v=None) == "ls ''"
