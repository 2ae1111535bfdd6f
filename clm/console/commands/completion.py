"""``wawel completion``."""

from __future__ import annotations

import click


@click.command()
@click.argument("kind", type=click.Choice(["bash", "zsh", "fish"]), metavar="bash|zsh|fish")
def completion(kind: str) -> None:
    """
    Print the script that makes a shell complete commands, options and names.

    bash: source <(wawel completion bash), in ~/.bashrc. zsh: likewise, in ~/.zshrc after compinit.
    fish: wawel completion fish > ~/.config/fish/completions/wawel.fish
    """
    from clm.console.shells import SCRIPTS

    click.echo(SCRIPTS[kind], nl=False)
