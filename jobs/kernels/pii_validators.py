"""The functions that judge what a rule of `jobs.kernels.pii` found. Rules name them, in conf/pii.yaml.

A validator answers True where the finding is what the rule looks for. Most are made from an argument of the rule. Some
run regular expressions of Python, so rules put `length` first where their own pattern has no end.
"""

import base64
import ipaddress
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """The value, and the characters of its line before it and after it (some of them)."""

    value: str
    before: str
    after: str


Validator = Callable[[Finding], bool]


def length(limits: tuple[int, int]) -> Validator:
    """Between two numbers of characters, both included."""
    return lambda found: limits[0] <= len(found.value) <= limits[1]


def entropy(bits: float) -> Validator:
    """At least so many bits a character (Shannon, over the characters of the value). Only beside a form or a name."""

    def check(found: Finding) -> bool:
        size = len(found.value)
        return -sum(n / size * math.log2(n / size) for n in Counter(found.value).values()) >= bits

    return check


def mixed(classes: str) -> Validator:
    """Holds a character of each of these classes; a space is between two, as in `a-z A-Z 0-9`."""
    patterns = [re.compile(f"[{characters}]") for characters in classes.split()]
    return lambda found: all(pattern.search(found.value) for pattern in patterns)


def no_words(words: Sequence[str]) -> Validator:
    """None of these words in it, in any case."""
    folded = [word.lower() for word in words]
    return lambda found: not any(word in found.value.lower() for word in folded)


def not_in(values: Sequence[str]) -> Validator:
    """None of these values, in any case."""
    folded = {value.lower() for value in values}
    return lambda found: found.value.lower() not in folded


_TAIL = re.compile(r"[\d\W_]+\Z")


def not_weak(words: Sequence[str]) -> Validator:
    """Neither a number nor one of these words, alone or with digits and signs behind it (`admin123!`)."""
    folded = {word.lower() for word in words}
    return lambda found: not found.value.isdigit() and _TAIL.sub("", found.value.lower()) not in folded


_TEMPLATE = re.compile(
    r"[$#][{(]|\{\{|\{%|<%|%\(|%[sdr]\b|\{\w*\}|<[\w .:-]+>"  # ${VAR} $(command) {{ x }} {% x %} %(x)s %s {} {x} <x>
    r"|\A[$%@]\w+[%@]?\Z|\A[\[{<(].*[\]})>]\Z"  # $VAR %VAR% @VAR@ [x]
    r"|\A(.)\1*\Z|\A[.*xX_-]+\Z"  # ****** xx-xx
    r"|\w\(.*\)|environ|getenv|process\.env|\AENV\["
    r"|\A(?i:env|vault|ssm|secretsmanager|arn|ref|file|op)[:+]"
)


def no_template(found: Finding) -> bool:
    """Not what another program fills in (`${VAR}`, `%s`, `<password>`, a look-up) or what is blotted out."""
    return not _TEMPLATE.search(found.value)


def no_prose(found: Finding) -> bool:
    """No white space: labels and messages have it, passwords hardly ever."""
    return not any(character.isspace() for character in found.value)


_WORDS = re.compile(r"[^\W\d]+(?:[-_.:/ ]+[^\W\d]+)*[-_:.!?*…]*\Z")  # `Enter_your.password:` in any script
_NAME = re.compile(r"[a-z]+\d?(?:[-_.](?:[a-z]+\d?|\d\d?))+\Z")  # `oauth2_client`, `db-secret-2`
_LOCATION = re.compile(r"\A(?:[/.#^~]|\w+://|\w:\\)|/[^/]*/")


def password_like(found: Finding) -> bool:
    """Not words, a name, a path, a URL or a pattern: there is a digit or a sign between its letters."""
    value = found.value
    return not (_WORDS.match(value) or _NAME.match(value) or _LOCATION.search(value))


_NAME_BEFORE = re.compile(r"[\w-]*(?:pass|pwd|secret)[\w-]*", re.IGNORECASE)


def no_name_before(words: Sequence[str]) -> Validator:
    """The name that it is given to holds none of these words: `confirm_password` names a field."""
    folded = [word.lower() for word in words]

    def check(found: Finding) -> bool:
        names = _NAME_BEFORE.findall(found.before)
        return not names or not any(word in names[-1].lower() for word in folded)

    return check


_BASE64_RUN = re.compile(r"[A-Za-z0-9+/=]{32,}")


def base64_characters(least: int) -> Validator:
    """So many characters in runs of 32 or more of the base64 alphabet: there is a key in the key block."""
    return lambda found: sum(len(run) for run in _BASE64_RUN.findall(found.value)) >= least


def jwt_header(found: Finding) -> bool:
    """Its first part is JSON that names an algorithm."""
    head = found.value.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):  # not base64, not UTF-8, not JSON, or nested to exhaust us
        return False
    return isinstance(header, dict) and "alg" in header


def domain_not(domains: Sequence[str]) -> Validator:
    """The domain is none of these and ends with none of them."""
    folded = {domain.lower() for domain in domains}

    def check(found: Finding) -> bool:
        labels = found.value.rpartition("@")[2].lower().split(".")
        return not any(".".join(labels[i:]) in folded for i in range(len(labels)))

    return check


def top_level(names: Sequence[str]) -> Validator:
    """The domain ends with one of these, or with two letters, as those of countries do."""
    folded = {name.lower() for name in names}

    def check(found: Finding) -> bool:
        last = found.value.rpartition(".")[2].lower()
        return len(last) == 2 or last in folded

    return check


def account_not(accounts: Sequence[str]) -> Validator:
    """What stands before the @ is none of these."""
    folded = {account.lower() for account in accounts}
    return lambda found: found.value.partition("@")[0].lower() not in folded


_IN_URL = re.compile(r"://[^\s/\"'<>]*\Z")
_GOES_ON = re.compile(r":[\w~/.$]|[(\[=]")


def no_remote(found: Finding) -> bool:
    """Neither the user of a URL or a remote (`host.org:path`), nor code (`a@b.info()`)."""
    return not (_IN_URL.search(found.before) or _GOES_ON.match(found.after))


_ESCAPE = re.compile(r"(?<!\\)\\[nrt]\Z")


def apart(signs: str) -> Validator:
    """Not part of something longer: no letter, digit or one of these signs touches it; `\\n` before it is no letter."""
    left = re.compile(rf"[\w{re.escape(signs)}]\Z")
    right = re.compile(rf"\w|[{re.escape(signs)}]\w")

    def check(found: Finding) -> bool:
        touched = left.search(found.before) and not _ESCAPE.search(found.before)
        return not touched and not right.match(found.after)

    return check


_UNICAST_6 = ipaddress.ip_network("2000::/3")


def public_ip(found: Finding) -> bool:
    """An address of the public internet: not private, loopback, link-local, for documentation, broadcast, multicast.

    Of version 6 with three groups or more: `2000::2` is a slice.
    """
    try:
        address = ipaddress.ip_address(found.value)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    groups = [group for group in found.value.split(":") if group]
    return address.version == 4 or (address in _UNICAST_6 and len(groups) >= 3)


_VERSION = re.compile(
    r"(?:version|\bver|release|build|revision|firmware|driver)\w{0,10}[^\w;,]{0,8}\Z"
    r"|(?:oid|objectidentifier|section|chapter)\w{0,40}[^\w;,]{0,8}\Z"
    r"|\b(?:update|upgrade|patch|bump)\w{0,3} (?:\w+ ){0,3}\Z"
    r"|(?:==|>=|<=|~=|!=|[\^~])\s*[\"']?\Z"
    r"|(?<!/)/\Z|(?<![\d.])-?\d*\.\d+[\s,]\Z",  # a path; the decimal number before it in a list of them
    re.IGNORECASE,
)


def no_version(least: int) -> Validator:
    """Not a version, section or object identifier, nor a network: no `version`, `==`, lone `/` and so on before it.

    Besides, a part is `least` or more (four small numbers are a version), at most one is 0, and not the last one.
    """

    def check(found: Finding) -> bool:
        parts = [int(part) for part in found.value.split(".")]
        plausible = max(parts) >= least and parts.count(0) < 2 and parts[-1] != 0
        return plausible and not _VERSION.search(found.before[-60:])

    return check


def luhn(found: Finding) -> bool:
    """The digits pass the check of card numbers (mod 10), which nine of ten numbers fail; not all are alike."""
    digits = [int(digit) for digit in found.value if digit.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 2


# Countries of the IBAN registry with the length of their numbers: the check digits alone pass one text in 97.
_IBAN_LENGTHS = {
    15: ("NO",), 16: ("BE",), 18: ("DK", "FI", "FO", "GL", "NL"), 19: ("MK", "SI"),
    20: ("AT", "BA", "EE", "KZ", "LT", "LU", "XK"), 21: ("CH", "HR", "LI", "LV"),
    22: ("BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 23: ("AE", "GI", "IL", "IQ", "TL"),
    24: ("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 25: ("LY", "PT", "ST"),
    26: ("IS", "TR"), 27: ("FR", "GR", "IT", "MC", "MR", "SM"),
    28: ("AL", "AZ", "BY", "CY", "DO", "GT", "HU", "LB", "PL", "SV"), 29: ("BR", "EG", "PS", "QA", "UA"),
    30: ("JO", "KW", "MU"), 31: ("MT", "SC"), 32: ("LC",),
}  # fmt: skip
_IBAN_LENGTH = {country: size for size, countries in _IBAN_LENGTHS.items() for country in countries}


def iban(found: Finding) -> bool:
    """A bank account number: a country's length, and check digits that leave 1 modulo 97."""
    number = found.value.replace(" ", "")
    if len(number) != _IBAN_LENGTH.get(number[:2]):
        return False
    return int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1


def number_not(values: Sequence[str]) -> Validator:
    """None of these numbers, however they are grouped by spaces and hyphens."""
    folded = set(values)
    return lambda found: found.value.replace(" ", "").replace("-", "") not in folded


def word_before(words: Sequence[str]) -> Validator:
    """One of these words stands before it on the line, with no letter touching it on either side; `_` may touch."""
    either = "|".join(re.escape(word) for word in words)
    pattern = re.compile(rf"(?<![a-z])(?:{either})s?(?![a-z])", re.IGNORECASE)
    camel = re.compile(rf"[a-z](?:{'|'.join(re.escape(word.title()) for word in words)})(?![a-z])")
    return lambda found: bool(pattern.search(found.before) or camel.search(found.before))


def basic_pair(found: Finding) -> bool:
    """Base64 of `user:password`, where the password is not a stand-in."""
    try:
        user, colon, password = base64.b64decode(found.value, validate=True).decode("utf-8").partition(":")
    except ValueError:  # not base64, or not text
        return False
    return bool(colon and user and len(password) > 3) and password.lower() not in (
        "password",
        "pass",
        "secret",
        "passwd",
    )


Takes = Literal["nothing", "text", "number", "pair", "list"]

# Name -> (the validator, or what makes it from its argument; the argument it takes).
VALIDATORS: dict[str, tuple[Callable[..., Any], Takes]] = {
    "account_not": (account_not, "list"),
    "apart": (apart, "text"),
    "base64_characters": (base64_characters, "number"),
    "basic_pair": (basic_pair, "nothing"),
    "domain_not": (domain_not, "list"),
    "entropy": (entropy, "number"),
    "iban": (iban, "nothing"),
    "jwt_header": (jwt_header, "nothing"),
    "length": (length, "pair"),
    "luhn": (luhn, "nothing"),
    "mixed": (mixed, "text"),
    "no_name_before": (no_name_before, "list"),
    "no_prose": (no_prose, "nothing"),
    "no_remote": (no_remote, "nothing"),
    "no_template": (no_template, "nothing"),
    "no_version": (no_version, "number"),
    "no_words": (no_words, "list"),
    "not_in": (not_in, "list"),
    "not_weak": (not_weak, "list"),
    "number_not": (number_not, "list"),
    "password_like": (password_like, "nothing"),
    "public_ip": (public_ip, "nothing"),
    "top_level": (top_level, "list"),
    "word_before": (word_before, "list"),
}


def build(name: str, argument: Any) -> Validator:
    """The validator of this name. Raises ValueError for a name that is not known and an argument of the wrong form."""
    if name not in VALIDATORS:
        raise ValueError(f"{name!r}: expected one of {', '.join(VALIDATORS)}.")
    function, takes = VALIDATORS[name]
    fits = {
        "nothing": argument is None,
        "text": isinstance(argument, str),
        "number": isinstance(argument, int | float),
        "pair": isinstance(argument, tuple) and [type(value) for value in argument] == [int, int],
        "list": isinstance(argument, tuple) and all(isinstance(value, str) for value in argument),
    }
    if not fits[takes]:
        raise ValueError(f"{name}: {argument!r}: expected {takes}.")
    validator: Validator = function if takes == "nothing" else function(argument)
    return validator
