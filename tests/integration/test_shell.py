"""Who may reach what of the site, without a login, with one, and with somebody else's things in hand."""

import asyncio
import gc
import io
import re

import gradio as gr
import pytest

from medreason.domain.user import Role
from medreason.errors import NotAllowed
from medreason.ui.page import build_page
from medreason.web.belongings import SESSIONS_EACH
from medreason.web.pages import PAGES_KEPT, STREAMS, mount
from tests.logins import PASSWORD
from tests.shell import ADDRESS, ORIGIN, Shell, call, config_of, event, gradio_paths, outcome, shell

HTML = {"accept": "text/html"}
# What anybody may have before a login: the form and its looks.
OPEN = {("GET", "/login"), ("HEAD", "/login"), ("POST", "/login"), ("POST", "/logout"), ("GET", "/ui/login.css")}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with shell(tmp_path_factory.mktemp("shell")) as made:
        yield made


def test_without_a_login_nothing_is_there_but_the_login(site: Shell) -> None:
    """Fault 1: every route with every method."""
    paths = gradio_paths() | {"/", "/ui/app.js", "/nonsense", "/login", "/logout"}
    assert len(paths) > 60 and "/gradio_api/queue/join" in paths and "/config" in paths
    stranger = site.browser()
    wrong = []
    for path in sorted(paths):
        for method in METHODS:
            if (method, path) in OPEN:
                continue
            answer = stranger.request(method, path, headers=ORIGIN if method not in ("GET", "HEAD") else {})
            shut = {401, 405} if path in ("/login", "/logout") else {401}
            told = [word for word in ("components", "Compare", "rae") if word in answer.text]
            if path.startswith("/ui/"):  # our own scripts: the same for everybody
                shut, told = {200, 405}, []
            if answer.status_code not in shut or told:
                wrong.append((method, path, answer.status_code, told))
    assert wrong == []


def test_whoever_opens_the_page_is_led_to_the_login_and_back(site: Shell) -> None:
    browser = site.browser()
    led = browser.get("/?__theme=dark", headers=HTML)
    assert (led.status_code, led.headers["location"]) == (303, "/login?next=%2F%3F__theme%3Ddark")
    form = browser.get(led.headers["location"])
    assert form.status_code == 200 and 'value="/?__theme=dark"' in form.text
    given = {"name": "rae", "password": PASSWORD, "next": "/?__theme=dark"}
    back = browser.post("/login", data=given, headers=ORIGIN)
    assert (back.status_code, back.headers["location"]) == (303, "/?__theme=dark")
    assert browser.get("/", headers=HTML).status_code == 200
    assert browser.get("/login").headers["location"] == "/"


@pytest.mark.parametrize(
    "following", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/x", ""]
)
def test_a_login_leads_nowhere_else(site: Shell, following: str) -> None:
    given = {"name": "rae", "password": PASSWORD, "next": following}
    assert site.browser().post("/login", data=given, headers=ORIGIN).headers["location"] == "/"


def test_the_cookie_is_for_this_site_alone_and_out_of_reach_of_scripts(site: Shell) -> None:
    given = {"name": "rae", "password": PASSWORD}
    cookie = site.browser().post("/login", data=given, headers=ORIGIN).headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert "Domain" not in cookie and "Max-Age" not in cookie


def test_a_wrong_password_says_one_sentence_whoever_it_is(site: Shell) -> None:
    said = {}
    for name in ("rae", "nobody", "local", "<script>alert(1)</script>"):
        answer = site.browser().post("/login", data={"name": name, "password": "wrong"}, headers=ORIGIN)
        assert answer.status_code == 401 and "set-cookie" not in answer.headers
        said[name] = re.search(r'role="alert"[^>]*>([^<]+)<', answer.text)[1]  # type: ignore[index]
        assert "<script>" not in answer.text
    assert len(set(said.values())) == 1


def test_too_many_tries_wait_and_the_user_is_told(site: Shell) -> None:
    """Fault 4."""
    site.desk.adds("tom")
    thief = site.browser(client=("10.9.9.9", 5000))
    codes = [
        thief.post("/login", data={"name": "tom", "password": f"guess {number}"}, headers=ORIGIN).status_code
        for number in range(200)
    ]
    assert codes == [401] * 10 + [429] * 190
    waits = thief.post("/login", data={"name": "tom", "password": PASSWORD}, headers=ORIGIN)
    assert waits.status_code == 429 and int(waits.headers["retry-after"]) > 0 and "Wait 15 minutes" in waits.text
    told = site.browser().post("/login", data={"name": "tom", "password": PASSWORD}, headers=ORIGIN)
    assert told.status_code == 200 and "10 logins failed" in told.text and "set-cookie" in told.headers


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"name=a&name=b", b"&" * 3000, b"name=" + b"x" * 100_000, b"{}"],
)
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/json", "multipart/form-data"])
def test_an_odd_form_is_refused_in_words(site: Shell, body: bytes, kind: str) -> None:
    answer = site.browser(client=("10.1.1.1", 1)).post(
        "/login", content=body, headers={**ORIGIN, "content-type": kind}
    )
    assert answer.status_code in (400, 401, 429) and 'role="alert"' in answer.text


def test_logging_out_ends_it_at_once_and_only_from_our_own_page(site: Shell) -> None:
    rae = site.logged_in("rae")
    assert rae.post("/logout", headers={"origin": "https://evil.example"}).status_code == 403
    assert rae.get("/config").status_code == 200
    cookie = rae.cookies.get("medreason")
    assert rae.post("/logout", headers=ORIGIN).headers["location"] == "/login"
    assert rae.cookies.get("medreason") is None
    again = site.browser()
    again.cookies.set("medreason", cookie)
    assert again.get("/config").status_code == 401


def test_a_login_ended_by_an_admin_is_refused_at_once(site: Shell) -> None:
    bob = site.logged_in("bob")
    assert bob.get("/config").status_code == 200
    site.desk.people.end_logins("bob")
    assert bob.get("/config").status_code == 401


def test_a_foreign_origin_or_host_is_refused_without_cors(site: Shell) -> None:
    """Faults 5 and 6."""
    rae = site.logged_in("rae")
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1:7860"},
        {"sec-fetch-site": "cross-site"},
    ):
        answer = rae.post("/gradio_api/queue/join", json={}, headers=headers)
        assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    assert rae.get("/", headers={"host": "evil.example"}).status_code == 400
    forged = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https", "forwarded": "host=evil.example"}
    page = rae.get("/", headers=forged)
    assert page.status_code == 200 and "evil.example" not in page.text


def test_what_belongs_to_a_login_stays_in_no_cache(site: Shell) -> None:
    rae = site.logged_in("rae")
    assert [rae.get(path).headers["cache-control"] for path in ("/", "/config")] == ["no-store"] * 2


def test_doors_that_the_page_does_not_need_are_shut(site: Shell) -> None:
    ann = site.logged_in("ann")
    for path in ("/openapi.json", "/docs", "/monitoring", "/gradio_api/token", "/gradio_api/runs", "/proxy=x"):
        assert ann.get(path).status_code == 404, path
    for path in ("call/act", "call/v2/act", "stream/1", "component_server", "vibe-edit", "process_recording"):
        assert ann.post(f"/gradio_api/{path}", json={}, headers=ORIGIN).status_code == 404, path
    assert ann.get("/gradio_api/info").json() == {"named_endpoints": {}, "unnamed_endpoints": {}}


@pytest.mark.parametrize(
    ("name", "tabs"),
    [
        ("ann", {"Compare", "Rate", "Results", "Train"}),
        ("eve", {"Compare", "Results", "Train"}),
        ("lea", {"Compare", "Rate", "Results"}),
        ("rae", {"Compare", "Rate"}),
    ],
)
def test_a_page_holds_the_tabs_of_its_role(site: Shell, name: str, tabs: set[str]) -> None:
    config = config_of(site.logged_in(name))
    ids = {one["props"].get("id") for one in config["components"] if one["type"] == "tabitem"}
    assert {tab.lower() for tab in tabs} == ids & {"compare", "rate", "results", "train"}


def test_a_raters_browser_receives_no_model_adapter_or_foreign_tab(site: Shell) -> None:
    rae = site.logged_in("rae")
    config = config_of(rae)
    session = "raes-page"
    for one in config["dependencies"]:  # all that fills the page when it is opened
        if any(target[1] == "load" for target in one["targets"]):
            assert call(rae, session, one["id"], [None] * len(one["inputs"])).status_code == 200
    sent = rae.get("/").text + rae.get("/config").text + str(outcome(rae, session))
    assert len(sent) > 100_000
    words = (
        "Demo adapter",
        "demo adapter",
        "ready-made",
        "SmolLM",
        "smollm",
        "scripted",
        "base ·",
        "base +",
        "float32",
        "run_name",
        '"Train"',
    )
    found = [word for word in words if word in sent]
    assert [sent[max(0, sent.index(word) - 40) :][:90] for word in found] == []
    assert not any(one["type"] in ("file", "uploadbutton", "downloadbutton") for one in config["components"])
    assert len(config["components"]) < 120 < len(config_of(site.logged_in("ann"))["components"])


def test_a_rater_calling_what_others_may_do_is_refused_and_noted(site: Shell) -> None:
    """Fault 8: every event of the admin's page by its number and its name, through every door."""
    rae = site.logged_in("rae")
    own = {one["id"] for one in config_of(rae)["dependencies"]}
    names = {one["api_name"] for one in config_of(rae)["dependencies"]}
    admins = config_of(site.logged_in("ann"))["dependencies"]
    foreign = [one for one in admins if one["api_name"] not in names]
    assert len(foreign) > 40
    for one in foreign:
        data = [None] * len(one["inputs"])
        body = {"data": data, "session_hash": "rae8"}
        for door in (f"run/{one['api_name']}", f"api/{one['api_name']}", f"call/{one['api_name']}"):
            answer = rae.post(f"/gradio_api/{door}", json=body, headers=ORIGIN)
            assert answer.status_code in (403, 404), (door, answer.text)
        if one["id"] not in own:
            assert call(rae, "rae8", one["id"], data).status_code == 403
    user = f"user:{site.user('rae').id}"
    assert {what for who, what in site.refused() if who == user} >= {f"event {foreign[0]['api_name']}"}


def test_a_call_that_a_service_refuses_is_noted_too(site: Shell) -> None:
    """A rater's page has no list of adapters; the service behind it refuses all the same."""
    rae = site.user("rae")
    services = site.services
    deeds = [
        lambda: services.serving.switch(rae, "demo"),
        lambda: services.serving.release(rae),
        lambda: services.training.stop(rae, "x"),
        lambda: services.training.delete(rae, "x"),
        lambda: services.training.rename(rae, "x", "y"),
        lambda: services.training.resume(rae, "x"),
        lambda: services.results.pack(rae),
        lambda: services.results.collections(rae),
        lambda: services.results.data(rae, "x"),
        lambda: services.studies.list(rae),
    ]
    for deed in deeds:
        with pytest.raises(NotAllowed):
            deed()


def test_one_persons_session_events_and_files_are_nobody_elses(site: Shell) -> None:
    """Faults 2 and 3: another rater, an admin, and a stranger with the very names in hand."""
    lea, ann, bob, stranger = (*map(site.logged_in, ("lea", "ann", "bob")), site.browser())
    config = config_of(lea)
    number = event(config, "tell_who")["id"]
    joined = call(lea, "leas", number, [])
    event_id = joined.json()["event_id"]
    paths = lea.post(
        "/gradio_api/upload", files={"files": ("cases.csv", b"text\nSecret of Lea\n")}, headers=ORIGIN
    )
    (path,) = paths.json()
    assert b"Secret of Lea" in lea.get(f"/gradio_api/file={path}").content
    taken = {"data": [], "fn_index": number, "session_hash": "leas"}
    cancel = {"session_hash": "leas", "fn_index": number, "event_id": event_id}
    mixed = {"session_hash": "own", "fn_index": number, "event_id": event_id}
    for other in (ann, bob, stranger):
        refused = 401 if other is stranger else 403
        answers = [
            other.get("/gradio_api/queue/data", params={"session_hash": "leas"}),
            other.get("/gradio_api/heartbeat/leas"),
            other.post("/gradio_api/queue/join", json=taken, headers=ORIGIN),
            other.post("/gradio_api/run/tell_who", json=taken, headers=ORIGIN),
            other.post("/gradio_api/cancel", json=cancel, headers=ORIGIN),
            other.get(f"/gradio_api/file={path}"),
        ]
        assert [one.status_code for one in answers] == [refused] * len(answers)
        assert not any("Lea" in one.text or event_id in one.text for one in answers)
    for twice in ("session_hash=bobs&session_hash=leas", "session_hash=leas&session_hash=bobs", ""):
        assert bob.get(f"/gradio_api/queue/data?{twice}").status_code == 404
    doubled = f'{{"data": [], "fn_index": {number}, "session_hash": "bobs", "session_hash": "leas"}}'
    answer = bob.post(
        "/gradio_api/queue/join", content=doubled, headers={**ORIGIN, "content-type": "application/json"}
    )
    assert answer.status_code == 403
    assert site.logged_in("lea").post("/gradio_api/cancel", json=mixed, headers=ORIGIN).status_code == 403
    said = outcome(lea, "leas")  # nobody has stopped it
    assert said[-2]["msg"] == "process_completed" and "lea" in str(said)
    noted = {who for who, what in site.refused() if what == "cancel"}
    assert {f"user:{site.user(name).id}" for name in ("ann", "bob")} <= noted


def test_a_file_handed_in_for_an_event_must_be_ones_own(site: Shell) -> None:
    lea, ann = site.logged_in("lea"), site.logged_in("ann")
    upload = {"files": ("cases.csv", b"text\nA secret question\n")}
    (path,) = lea.post("/gradio_api/upload", files=upload, headers=ORIGIN).json()
    config = config_of(ann)
    takes = {one["id"] for one in config["components"] if one["type"] in ("file", "uploadbutton")}
    number = next(one["id"] for one in config["dependencies"] if takes & {*one["inputs"]})
    inputs = next(one for one in config["dependencies"] if one["id"] == number)["inputs"]
    for stolen in (path, "/etc/passwd", "C:\\secrets", "../x"):
        data = [{"path": stolen, "meta": {"_type": "gradio.FileData"}}, *[None] * (len(inputs) - 1)]
        assert call(ann, "anns-files", number, data).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "/ETC/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1:7860/config",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "medreason.db",
        ".env",
        "app.py",
        "\x00",
    ],
)
def test_no_file_but_ones_own_is_served(site: Shell, path: str) -> None:
    """Fault 9."""
    ann = site.logged_in("ann")
    for asked in (path, str(site.services.training.folder.root / path)):
        answer = ann.get(f"/gradio_api/file={asked.encode('unicode_escape').decode()}")
        assert answer.status_code in (400, 403, 404)
        assert "root:" not in answer.text and "/" not in answer.json()["detail"].replace("is not yours, or", "")


def test_an_upload_has_a_limit_and_a_rater_sends_none(site: Shell) -> None:
    """Fault 13."""
    rae, ann = site.logged_in("rae"), site.logged_in("ann")
    one = {"files": ("a.csv", b"x")}
    assert rae.post("/gradio_api/upload", files=one, headers=ORIGIN).status_code == 403
    said = ann.post("/gradio_api/upload", content=io.BytesIO(), headers={**ORIGIN, "content-length": str(2**40)})
    assert said.status_code == 413
    many = [("files", (f"{number}.csv", b"x")) for number in range(1500)]
    answer = ann.post("/gradio_api/upload", files=many, headers=ORIGIN)
    assert answer.status_code == 400 and "Traceback" not in answer.text
    for name in ("a\x00b.csv", "a\nb.csv", "\u202egnp.csv", "x" * 400 + ".csv", "../../../x.csv"):
        answer = ann.post("/gradio_api/upload", files={"files": (name, b"text\nx\n")}, headers=ORIGIN)
        assert answer.status_code in (200, 400), (name, answer.text)
        assert all(".." not in path for path in answer.json()) if answer.status_code == 200 else True


def test_a_changed_role_begins_with_its_own_page(site: Shell) -> None:
    site.desk.adds("max", Role.ADMIN)
    admin = site.logged_in("max")
    config = config_of(admin)
    number = event(config, "tell_who")["id"]
    assert call(admin, "maxs", number, []).status_code == 200
    outcome(admin, "maxs")
    site.desk.people.set_role("max", Role.RATER)
    assert call(admin, "maxs", number, []).status_code == 403
    assert len(config_of(admin)["components"]) < len(config["components"])


def test_one_user_does_not_fill_the_queue(site: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 59: the page shows its own sentence for 503, and others go on."""
    monkeypatch.setattr("medreason.web.gate.UNFINISHED_EACH", 0)
    rae = site.logged_in("rae")
    number = event(config_of(rae), "tell_who")["id"]
    assert call(rae, "raes", number, []).status_code == 503


def test_without_users_this_computer_has_one_admin_until_somebody_has_a_password(tmp_path) -> None:
    with shell(tmp_path, people={}) as site:
        browser = site.browser()
        config = config_of(browser)
        assert browser.get("/login").headers["location"] == "/"
        number = event(config, "tell_who")["id"]
        assert call(browser, "mine", number, []).status_code == 200
        assert "local user of this computer" in str(outcome(browser, "mine"))
        site.desk.adds("ann", Role.ADMIN)
        assert browser.get("/config").status_code == 401
        assert browser.get("/", headers=HTML).headers["location"] == "/login"
        ann = site.logged_in("ann")
        assert call(ann, "mine", number, []).status_code == 403  # the local admin's page is not hers
        assert ADDRESS.startswith("http://") and config_of(ann)["components"]


def test_pages_that_were_opened_long_ago_are_forgotten(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio would keep ten thousand."""
    assert SESSIONS_EACH < PAGES_KEPT <= 500
    monkeypatch.setattr("medreason.web.pages.PAGES_KEPT", 5)
    kept: list[gr.Blocks] = []
    monkeypatch.setattr("tests.shell.build_page", lambda *given: kept.append(build_page(*given)) or kept[-1])
    with shell(tmp_path) as site:
        rae = site.logged_in("rae")
        number = event(config_of(rae), "tell_who")["id"]
        for page in range(12):
            assert call(rae, f"page{page}", number, []).status_code == 200
            outcome(rae, f"page{page}")
        assert {len(one.state_holder.session_data) for one in kept if one.state_holder.session_data} == {5}


def test_an_open_page_keeps_its_values_and_no_description_of_every_component(tmp_path, monkeypatch) -> None:
    """What is kept of sixty pages is looked through by the garbage collector while everybody waits."""
    kept: list[gr.Blocks] = []
    monkeypatch.setattr("tests.shell.build_page", lambda *given: kept.append(build_page(*given)) or kept[-1])
    with shell(tmp_path) as site:
        lea = site.logged_in("lea")
        for name in ("tell_who", "restore"):
            assert call(lea, "open", event(config_of(lea), name)["id"], []).status_code == 200
            outcome(lea, "open")
        (page,) = [one.state_holder.session_data["open"] for one in kept if one.state_holder.session_data]
        assert page.blocks_config.blocks and not any(page.config_values.values())
        gc.collect()
        before = len(gc.get_objects())
        for number in range(5):
            assert call(lea, f"another{number}", event(config_of(lea), "tell_who")["id"], []).status_code == 200
            outcome(lea, f"another{number}")
        gc.collect()
        assert (len(gc.get_objects()) - before) / 5 < 1_500


def test_streams_leave_places_for_ratings(site: Shell) -> None:
    async def made() -> gr.Blocks:
        return mount(build_page(site.services)).blocks

    page = asyncio.run(made())
    streams = [one for one in page.fns.values() if one.concurrency_id == "streams"]
    assert {str(one.api_name).split("_")[0] for one in streams} >= {"answer", "draw"}
    assert {one.concurrency_limit for one in streams} == {STREAMS} and page.max_threads - STREAMS >= 32
    assert not any(one.concurrency_limit is None for one in page.fns.values())
    saves = [one for one in page.fns.values() if one.api_name in ("act", "keep")]
    assert saves and not any(one.concurrency_id == "streams" for one in saves)
