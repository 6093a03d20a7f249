"""The labelled corpus of `test_pii.py`: what has to go from a text. `pii_traps` holds what has to stay.

No secret stands in these files: tokens are put together at run time, so that no scanner takes the repository for a leak.
"""

import base64
import json
import random
import string
from dataclasses import dataclass

HEX = "0123456789abcdef"
ALNUM = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + "234567"


def fake(length: int, alphabet: str = ALNUM, seed: int = 7) -> str:
    """Random characters, the same at each run; longer ones hold a capital, a small letter and a digit."""
    return "".join(random.Random(seed).choices(alphabet, k=length))


MAIL = "ann.author" + "@" + "uni-hamburg.de"
IP = ".".join(["93", "184", "216", "34"])
IP6 = ":".join(["2a02", "8388", "e107", "", "c0de"])
PASSWORD = "S3cr" + "_et!9"
AWS = "AKIA" + fake(16, UPPER)
GITHUB = "ghp_" + fake(36)
BODY = "\n".join(fake(64, ALNUM + "+/", seed) for seed in range(4))
DASHES = "-" * 5
BLOCK = f"{DASHES}BEGIN RSA PRIVATE KEY{DASHES}\n{BODY}\n{DASHES}END RSA PRIVATE KEY{DASHES}"


def base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


JWT = ".".join([base64url(json.dumps({"alg": "HS256", "typ": "JWT"})), base64url(json.dumps({"sub": 1234})), fake(43)])


@dataclass(frozen=True)
class Case:
    """A text, and what has to go from it: (kind, characters). `known` says that we know to get it wrong."""

    text: str
    gone: tuple[tuple[str, str], ...] = ()
    known: bool = False


def found(kind: str, value: str, text: str, known: bool = False) -> Case:
    return Case(text.replace("§", value), ((kind, value),), known)


def token(value: str, text: str = 'x = "§"') -> Case:
    return found("key", value, text)


def password(value: str, text: str, known: bool = False) -> Case:
    return found("password", value, text, known)


SECRETS = [
    found("email", MAIL, "# Author: Ann <§>"),
    found("email", MAIL, "mailto:§?subject=x"),
    found("email", MAIL, '{"author": "§"}'),
    found("email", MAIL, "Ask §."),
    found("email", MAIL, 'print("a\\n§")'),
    found("email", "Ann+tag_1" + "@" + "mail.uni.ac.uk", "to=§;"),
    found("email", "ann" + "@" + "sub.example-shop.com", "§, and more"),
    found("email", "o" + "@" + "x-y.dev", "<a href='mailto:§'>"),
    found("email", "\u0061nn" + "@" + "web.de", "é𝄞𝄞 schreib § ü"),
    found("email", MAIL, "* @author Ann (§)"),
    found("email", "a.b" + "@" + "c.museum", "x = §"),
    Case(f"{MAIL},{MAIL}", (("email", MAIL), ("email", MAIL))),
    found("ip_address", IP, 'connect("§", 80)'),
    found("ip_address", IP, "http://§:8080/index"),
    found("ip_address", IP, "ssh root@§"),
    found("ip_address", IP, "server §;"),
    found("ip_address", IP, "# reached §."),
    found("ip_address", IP, '"\\n§"'),
    found("ip_address", ".".join(["8", "131", "2", "77"]), "ping §"),
    found("ip_address", IP6, 'listen("§")'),
    found("ip_address", IP6, "http://[§]:80/"),
    found("ip_address", "2a02:8388:e107:1:" + "215:5dff:fe00:1", "addr §/64"),
    found("password", PASSWORD, 'password = "§"'),
    found("password", PASSWORD, "db_password: str = '§'"),
    found("password", PASSWORD, '{"passwd": "§"}'),
    found("password", PASSWORD, 'config["password"] = "§"'),
    found("password", PASSWORD, "connect(user='ann', password='§')"),
    found("password", PASSWORD, ':password => "§"'),
    found("password", PASSWORD, 'pwd := "§"'),
    found("password", PASSWORD, "passphrase: '§'"),
    found("password", PASSWORD, 'const adminSecret = "§";'),
    found("password", PASSWORD, 'json = "{\\"password\\": \\"§\\"}"'),
    found("password", "Tr0ub" + "4dor&3", "export PASSWORD='§'"),
    found("password", "pässwört" + "9!x", 'password = "§"'),
    found("password", PASSWORD, "CREATE USER ann IDENTIFIED BY '§'"),
    found("password", "corRect" + "7horse", "postgres://ann:§@db.uni.de/x"),
    found("password", "opense" + "same", "https://aladdin:§@host.uni.de"),
    found("password", fake(40, HEX), 'secret: "§"'),
    found("password", "h" + "unter2", "PASSWORD=§"),
    found("password", "correct" + "horse", 'password = "§"', known=True),  # letters only: a word, most of the time
    found("password", "two " + "words 9!", 'password = "§"', known=True),  # white space
    token(AWS),
    token(AWS, "aws_access_key_id=§\n"),
    token(fake(40, ALNUM + "+/", 3), 'aws_secret_access_key = "§"'),
    token(GITHUB),
    token("gho_" + fake(36, seed=2), "https://x:§@host.org/a.git"),
    token("github_pat_" + fake(22) + "_" + fake(59)),
    token("glpat-" + fake(20)),
    token("AIza" + fake(35, ALNUM + "_-"), "?key=§&x=1"),
    token("GOCSPX-" + fake(28)),
    token("ya29." + fake(60, ALNUM + "_")),
    token("xoxb-" + fake(12, string.digits) + "-" + fake(24)),
    token("T" + fake(8, UPPER) + "/B" + fake(8, UPPER, 3) + "/" + fake(24), "https://hooks.slack.com/services/§"),
    token("sk_live_" + fake(24)),
    token("whsec_" + fake(32)),
    token("sk-" + fake(48)),
    token("sk-proj-" + fake(60, ALNUM + "_")),
    token("gsk_" + fake(52)),
    token("hf_" + fake(34, string.ascii_letters)),
    token("npm_" + fake(36), "//registry/:_authToken=§\n"),
    token("pypi-AgE" + fake(80)),
    token(JWT, "Authorization: Bearer §\n"),
    token("SG." + fake(22) + "." + fake(43)),
    token("SK" + fake(32, HEX)),
    token("key-" + fake(32, HEX)),
    token(fake(9, "123456789") + ":AA" + fake(33)),
    token("dop_v1_" + fake(64, HEX)),
    token("dckr_pat_" + fake(27)),
    token("shpat_" + fake(32, HEX)),
    token("sq0atp-" + fake(22)),
    token("dapi" + fake(32, HEX)),
    token("hvs." + fake(40)),
    token(fake(14) + ".atlasv1." + fake(64)),
    token("glsa_" + fake(32) + "_" + fake(8, HEX)),
    token("lin_api_" + fake(40)),
    token("PMAK-" + fake(24, HEX) + "-" + fake(34, HEX)),
    token("NRAK-" + fake(27, string.ascii_uppercase + string.digits)),
    token("AGE-SECRET-KEY-1" + fake(58, "ACDEFGHJKLMNPQRSTUVWXYZ023456789")),
    token(fake(86) + "==", "AccountName=x;AccountKey=§;"),
    token(fake(32), 'API_KEY = "§"'),
    token(fake(32, HEX), "'client-secret': '§'"),
    token(fake(40), "accessToken: `§`,"),
    token(BLOCK, "key = '''§'''\n"),
    token(BLOCK.replace("\n", "\\n"), '{"private_key": "§\\n"}'),
    token(f"{DASHES}BEGIN OPENSSH PRIVATE KEY{DASHES}\n{BODY}\n{DASHES}END OPENSSH PRIVATE KEY{DASHES}", "§"),
    token(BLOCK.replace("\n", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1), "§"),
    found("key", fake(32), "API_KEY=§"),
    # Tokens of further vendors, each by its form.
    token(f"xapp-1-A{fake(10, UPPER)}-{fake(13, string.digits)}-{fake(64, HEX)}"),
    token("1//0" + fake(60, ALNUM + "_-")),
    token("AAAA" + fake(7) + ":" + fake(140)),
    token("amzn.mws." + "-".join(fake(n, HEX, n) for n in (8, 4, 4, 4, 12))),
    token("ab1" + "8Q~" + fake(33, ALNUM + "_~"), 'client: "§"'),
    token(fake(46) + "%3D", "https://x.blob.core.windows.net/a?sv=2021&sig=§&se=1"),
    token("LTAI" + fake(20)),
    token("AKID" + fake(32)),
    token("v1.0-" + fake(24, HEX) + "-" + fake(146, HEX)),
    token("HRKU-" + "AA" + fake(58, ALNUM + "_")),
    token(fake(32, HEX) + "-us" + "14"),
    token("xkeysib-" + fake(64, HEX) + "-" + fake(16)),
    token("MT" + fake(22) + "." + fake(6) + "." + fake(30), 'client.run("§")'),
    token(fake(18, "123456789") + "/" + fake(66), "https://discord.com/api/webhooks/§"),
    token("A" * 22 + fake(12) + "%2F" + fake(20) + "%3D" + fake(30)),
    token("figd_" + fake(42)),
    token("ntn_" + fake(11, string.digits) + fake(35)),
    token("secret_" + fake(43)),
    token("pat" + fake(14) + "." + fake(64, HEX)),
    token("1/" + fake(16, "123456789") + ":" + fake(32, HEX)),
    token("ATATT3xFfGF0" + fake(180, ALNUM + "_")),
    token("ATBB" + fake(32)),
    token("pscale_tkn_" + fake(43)),
    token("sbp_" + fake(40, HEX)),
    token("sb_secret_" + fake(31)),
    token("nfp_" + fake(36)),
    token("dp.st." + "prd." + fake(40)),
    token("pul-" + fake(40, HEX)),
    token("rubygems_" + fake(48, HEX)),
    token("cio" + fake(32)),
    token("oy2" + fake(43, string.ascii_lowercase + string.digits)),
    token("CLOJARS_" + fake(60, HEX)),
    token("sl." + fake(135, ALNUM + "_-") + "a"),
    token("sntryu_" + fake(64, HEX)),
    token("sntrys_" + fake(120)),
    token("glc_" + fake(90)),
    token("r8_" + fake(37)),
    token("pplx-" + fake(48)),
    token("xai-" + fake(80)),
    token("lsv2_pt_" + fake(32, HEX) + "_" + fake(10, HEX)),
    token("access_token$" + "production$" + fake(16, HEX) + "$" + fake(32, HEX)),
    token("aio_" + fake(28)),
    token("AKCp" + fake(69)),
    token("ops_" + "eyJ" + fake(260)),
    token("EZAK" + fake(54)),
    token("pnu_" + fake(36)),
    token("rdme_" + fake(70, string.ascii_lowercase + string.digits)),
    token("shippo_live_" + fake(40, HEX)),
    token("tfp_" + fake(44)),
    token("duffel_live_" + fake(43)),
    token("CFPAT-" + fake(43)),
    token("dt0c01." + fake(24, UPPER) + "." + fake(64, UPPER)),
    token("FLWSECK-" + fake(32, HEX) + "-X"),
    token(BODY + "\n", "Private-Lines: 4\n§Private-MAC: 00\n"),
    token(fake(40), "headers = {'Authorization': 'Bearer §'}"),
    token(fake(40, HEX), 'req.Header.Set("Authorization", "token §")'),
    # The same vendors where they stand in practice: settings, command lines, markup, other languages.
    token(GITHUB, "GITHUB_TOKEN=§\n"),
    token(GITHUB, "git clone https://§@host.org/a.git"),
    token(GITHUB, "          value: §"),
    token(AWS, "<key>§</key>"),
    token(AWS, "AWS_ACCESS_KEY_ID: §"),
    token(AWS, "// old: §, revoked?"),
    token("sk_test_" + fake(24), 'Stripe.apiKey = "§";'),
    token("rk_live_" + fake(24), "stripe: §"),
    token("sk-ant-" + "api03-" + fake(90, ALNUM + "_-") + "AA", "export ANTHROPIC_API_KEY=§"),
    token("hf_" + fake(34, string.ascii_letters), 'login(token="§")'),
    token("AIza" + fake(35, ALNUM + "_-"), '<meta-data android:value="§"/>'),
    token("xoxp-" + fake(11, string.digits) + "-" + fake(11, string.digits) + "-" + fake(32, HEX), "token: §"),
    token("glpat-" + fake(20), "PRIVATE-TOKEN: §"),
    found("key", "ghs_" + fake(36), "x-access-token:§@github.com", known=True),  # goes as an address, which is longer
    token(fake(40), "API_KEY=§\n"),
    token(fake(32), "MAILER_API_KEY=§"),
    token(fake(32, HEX), "ENV APP_SECRET=§\n"),
    token(fake(44), "  - STRIPE_CLIENT_SECRET=§\n"),
    token(fake(24), "export BOT_TOKEN=§"),
    token(fake(48), 'apiKey: "§",'),
    token(fake(32), "refresh_token = '§'"),
    token(fake(32), 'final String ACCESS_TOKEN = "§";'),
    token(fake(64, HEX), "ENCRYPTION_KEY: '§'"),
    token(fake(40), 'x["api-key"] = "§"'),
    token(fake(86) + "==", "DefaultEndpointsProtocol=https;AccountName=a1;AccountKey=§"),
    token(f"{DASHES}BEGIN EC PRIVATE KEY{DASHES}\n{BODY}\n{DASHES}END EC PRIVATE KEY{DASHES}", "k = `§`"),
    token(f"{DASHES}BEGIN PRIVATE KEY{DASHES}\n{BODY}\n{DASHES}END PRIVATE KEY{DASHES}", "cert: |\n§\n"),
    token(f"{DASHES}BEGIN PGP PRIVATE KEY BLOCK{DASHES}\n\n{BODY}\n{DASHES}END PGP PRIVATE KEY BLOCK{DASHES}", "§"),
    # Passwords without quotes, where the line says enough.
    password(PASSWORD, "DB_PASSWORD=§\n"),
    password(PASSWORD, "export PGPASSWORD=§", known=True),  # the name is one word
    password(PASSWORD, "MYSQL_ROOT_PASSWORD=§\r\nNEXT=1"),
    password("Winter" + "2024", "      - POSTGRES_PASSWORD=§\n"),
    password("n0t" + "-4-you", "ENV SMTP_PASS=§"),
    password("gr33n" + "apple", "SECRET=§\n"),
    password("k3y" + "%rock!", "password: §\n"),
    password("k3y" + "+rock!", "spring.datasource.password=§"),
    password("L0ng" + "er#one", "  db_passwd = §\n"),
    password("v3ry" + "plain", "password: §", known=True),  # no sign: could be a name in code
    password("Az9" + "!kkp2", "Server=db1;Database=x;User Id=sa;Password=§;"),
    password("Az9" + "kkp2", "uid=root;pwd=§"),
    password("Az9" + "kkp2", "curl -u ann:§ https://uni-hamburg.de/x"),
    password("Az9" + "kkp2", "mysql -u root -p§ < dump.sql"),
    password("Az9" + "kkp2", "sshpass -p '§' ssh ann@host"),
    password("Az9" + "kkp2", "wget --user=ann --password=§ https://uni-hamburg.de"),
    password("Az9" + "kkp2", "machine uni-hamburg.de login ann password §"),
    password(base64.b64encode(b"ann:Az9" + b"kkp2").decode(), "Authorization: Basic §"),
    password(base64.b64encode(b"ann:Az9" + b"kkp2").decode(), "{'Authorization': 'Basic §'}"),
    password("p4ss" + "phr4se!", 'SMTP_PASSWORD: "§"'),
    password("Qw7" + "$mm", 'ldap.bind("cn=x", password="§")'),
    password("Qw7" + "rr-x", 'String dbPwd = "§";'),
    password("Qw7" + "rr-x", "$password = '§';"),
    password("Qw7" + "rr-x", 'password2 = "§"'),
    password("Qw7" + "rr-x", "amqp://ann:§@mq.uni.de:5672/"),
    password("Qw7" + "rr-x", "jdbc:postgresql://ann:§@db.uni.de/x"),
    password("Qw7" + "rr-x", "mongodb+srv://ann:§@c0.uni.de/x"),
    password("Qw7" + "rr-x", "ALTER USER ann IDENTIFIED BY '§';"),
    password("Qw7" + "rr-x", '<add key="Password" value="§"/>', known=True),  # the name is in another attribute
    # Addresses.
    found("email", MAIL, "Signed-off-by: Ann Author <§>"),
    found("email", MAIL, "git config user.email §"),
    found("email", MAIL, "maintainer='§',"),
    found("email", MAIL, '<author email="§">Ann</author>'),
    found("email", MAIL, "Contact: §; phone: none"),
    found("email", "a" + "@" + "b-c.info", "# § wrote this"),
    found("email", "ann_author" + "@" + "sub.dep.uni-x.ac.jp", "@maintainer §"),
    found("email", "ANN" + "@" + "UNI-X.DE", "TO: §"),
    found("email", "ann" + "@" + "m\u00fcller.de", "x §", known=True),  # a domain beyond ASCII
    found("email", "ann at " + "uni-hamburg dot de", "x §", known=True),  # spelt out
    found("ip_address", IP, "ALLOWED_HOSTS = ['§']"),
    found("ip_address", IP, "proxy_pass http://§;"),
    found("ip_address", IP, "- host: §\n  port: 22"),
    found("ip_address", IP, "scp x root@§:/tmp"),
    found("ip_address", IP, "nmap -p 22 §\n"),
    found("ip_address", "45.79." + "112.203", "listen=§:443"),
    found("ip_address", "2a01:4f8:c2c:" + "123f::1", "AAAA §"),
    found("ip_address", "2a01:4f8:c2c:123f:" + "a8:b:c0d:e1", "bind '§';"),
    # Numbers with a check of their own.
    found("card_number", "4539 1488 " + "0343 6467", "credit card: §"),
    found("card_number", "4539148803" + "436467", "card_number = '§'"),
    found("card_number", "5425-2334-" + "3010-9903", "Mastercard §"),
    found("card_number", "3742 454554 " + "00126", "amex: '§'"),
    found("card_number", "4539148803" + "436467", "{paymentCard: §}"),
    found("iban", "DE75 5121 0800 " + "1245 1261 99", "pay to §"),
    found("iban", "FR763000600001" + "1234567890189", "iban: '§'"),
    found("iban", "NL20INGB00" + "01234567", 'x = "§"'),
]
