"""``wawel completion``."""

from __future__ import annotations

import click

from clm.console.problems import Problem


@click.command()
@click.argument("kind", type=click.Choice(["bash", "zsh", "fish"]), metavar="bash|zsh|fish")
def completion(kind: str) -> None:
    """
    Print the script that makes a shell complete commands, options and names.

    bash: source <(wawel completion bash), in ~/.bashrc. zsh: likewise, in ~/.zshrc after compinit.
    fish: wawel completion fish > ~/.config/fish/completions/wawel.fish
    """
    from click.shell_completion import get_completion_class

    from clm.console.root import COMPLETE, cli

    made = get_completion_class(kind)
    if made is None:
        raise Problem(f"There is no completion for {kind}.")
    complete = made(cli, {}, "wawel", COMPLETE)
    click.echo(complete.source_template % complete.source_vars())
