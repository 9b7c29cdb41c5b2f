"""`app.py user …`: adds users and changes what they may do.

A password is asked for on the terminal, or read as one line from standard input; it is never an option, because
every program on a computer can read those.
"""

import argparse
import getpass
import sys
from typing import Any

from medreason.arguments import Parser, store_of
from medreason.domain.user import Role
from medreason.errors import MedReasonError
from medreason.services.logging_in import LoggingIn
from medreason.services.passwords import SHORTEST
from medreason.services.people import PeopleService

ACTIONS = {
    "add": "add a user; asks for a password twice, or reads it as one line from standard input",
    "password": "give a user a new password and log them out everywhere",
    "role": "change what a user may do, from their next click on",
    "disable": "keep a user from logging in; everything they did stays",
    "enable": "let a disabled user log in again",
    "list": "list the users, and whether they can log in",
    "sessions": "list where a user is logged in, or end all of it",
}


def add(commands: Any) -> None:
    user: Parser = commands.add_parser("user", help="manage users")
    actions = user.add_subparsers(dest="action", required=True)
    for action, what in ACTIONS.items():
        one: Parser = actions.add_parser(action, help=what, description=f"{what[0].upper()}{what[1:]}.")
        if action != "list":
            one.add_argument("name")
        if action in ("add", "role"):
            one.add_argument("--role", choices=[str(role) for role in Role], required=True)
        if action == "sessions":
            one.add_argument("--end", action="store_true", help="log the user out everywhere")
        one.add_store_options()
    user.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from medreason.storage.database import Database
    from medreason.storage.logins import Logins
    from medreason.storage.people import People

    settings = store_of(options)
    settings.folder.prepare()
    database = Database.open(settings.database)
    people = PeopleService(People(database))
    if options.action == "sessions" and not options.end:
        print(_sessions(people, LoggingIn(Logins(database)), options.name))
    else:
        print(_done(people, options))
    return 0


def _done(people: PeopleService, options: argparse.Namespace) -> str:
    """Does what was asked; returns what to say of it."""
    match options.action:
        case "add":
            added = people.add_user(options.name, Role(options.role), _new_password())
            return f"Added {added.name} as {added.role}. From now on everybody logs in."
        case "password":
            named = people.named(options.name)
            people.set_password(named.name, _new_password())
            return f"{named.name} has a new password and was logged out everywhere."
        case "role":
            changed = people.set_role(options.name, Role(options.role))
            return f"{changed.name} is {changed.role} from the next click on."
        case "disable":
            disabled = people.set_disabled(options.name, True)
            return f"{disabled.name} cannot log in any more and was logged out. Everything they did stays."
        case "enable":
            return f"{people.set_disabled(options.name, False).name} can log in again."
        case "sessions":
            return f"Logged {options.name} out of {people.end_logins(options.name)} sessions."
    listed = people.listed()
    width = max((len(user.name) for user, _ in listed), default=0)
    lines = [f"{user.name:<{width}}  {user.role:<8}  {said}" for user, said in listed]
    return "\n".join(lines) or "There are no users yet. Add one with: app.py user add NAME --role admin."


def _sessions(people: PeopleService, logging_in: LoggingIn, name: str) -> str:
    user = people.named(name)
    lines = [
        f"since {one.created_at}, last used {one.used_at}, until {one.ends_at} at the latest"
        for one in logging_in.running(user)
    ]
    return "\n".join(lines) or f"{user.name} is not logged in."


def _new_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass(f"Password (at least {SHORTEST} characters): ")
    if getpass.getpass("The same once more: ") != first:
        raise MedReasonError("The two passwords are not the same. Nothing was changed; try again.")
    return first
