# SPDX-License-Identifier: Apache-2.0
"""The administration page in a real browser: operators log in at E from the DMZ, and do by hand what the specification's pages do."""
import shutil
from types import SimpleNamespace

from lab import command, plan
from lab.administrator import PORT
from lab.browser import ENTER, TAB, Browser
from lab.certificates import Authority
from lab.report import Skip, require
from scenario_certificates import served

PASSWORDS = {"rita": "reads but does not touch", "otto": "operates with great care", "anna": "administers all of it 7"}
ROLES = {"rita": "read", "otto": "operate", "anna": "administer"}
URL = f"https://{plan.EDGE_NAME}:{PORT}/"
DOMAIN = "100.example-name.com"  # C15
MARKUP = "<img src=x onerror=document.title=String(7)>"
SERVER_PAGE, DOMAINS_PAGE, TRUST_PAGE = "#/maintenance/security/server-certificate", "#/maintenance/security/domain-certificates", "#/maintenance/security/trusted-ca-certificate"


def setup(lab):
    if not shutil.which("chromedriver"):
        raise Skip("chromium-driver is not installed; run scripts/install")
    lab.start_peers()
    lab.start_nodes(administration=True)
    for name, role in ROLES.items():
        path = lab.folder / f"{name}.password"
        path.write_text(PASSWORDS[name] + "\n")
        lab.edge.sallyport("account", "add", name, "--role", role, "--new-password-file", path)
    browser = lab.keep(Browser(lab.spaces["firewall"], lab.folder, lab.wallet.authority.certificate, {plan.EDGE_NAME: plan.EDGE_INSIDE.host4}))
    return SimpleNamespace(lab=lab, edge=lab.edge, authority=lab.wallet.authority, browser=browser)


def log_in(stage, name, page=""):
    """As somebody who was not there before."""
    browser = stage.browser
    browser.forget()
    browser.open("about:blank")
    browser.open(URL + page)
    browser.fill("Account", name)
    browser.fill("Password", PASSWORDS[name])
    browser.press("Log in")
    browser.await_element("header .who", f"{name}, {ROLES[name]}")
    settled(browser)
    return browser


def go(browser, page, title):
    browser.script("location.hash = arguments[0]", page)
    browser.await_element("main h1", title)
    settled(browser)


def settled(browser):
    browser.await_element("main .content:not([aria-busy])")


def require_no_complaint(browser):
    complaints = browser.complaints()
    require(not complaints, f"the console says {complaints}")


def test_a_stranger_sees_a_login_and_what_was_wrong_with_it(stage):
    browser = stage.browser
    browser.open(URL + SERVER_PAGE)
    browser.await_element("button", "Log in")
    require(not browser.shows("nav"), "a stranger sees the menu")
    browser.fill("Account", "anna")
    browser.fill("Password", "not the one that it is")
    browser.press("Log in")
    browser.await_element(".fault .cause", "name or password is wrong")
    browser.await_element(".fault .remedy", "type both again")
    require_no_complaint(browser)


def test_who_has_no_mouse_logs_in_and_finds_every_page(stage):
    browser = stage.browser
    browser.open("about:blank")
    browser.open(URL)
    browser.await_element("button", "Log in")
    browser.type_at_focus("anna" + TAB + PASSWORDS["anna"] + ENTER)
    browser.await_element("header .who", "anna, administer")
    settled(browser)
    require(browser.focused() == "Overview", f"the title of the page is not where one begins: {browser.focused()}")
    browser.click(browser.await_element("header strong"))
    for _ in range(40):
        browser.type_at_focus(TAB)
        if browser.focused() == "Domain certificates":
            break
    browser.type_at_focus(ENTER)
    browser.await_element("main h1", "Domain certificates")
    browser.await_element(".path", "Maintenance > Security > Domain certificates")


def test_every_page_shows_itself_without_a_complaint_and_labels_its_inputs(stage):
    browser = log_in(stage, "anna")
    links = browser.script("return [...document.querySelectorAll('nav a')].map((each) => [each.getAttribute('href'), each.textContent])")
    require(len(links) >= 15, f"{links}")
    for href, title in links:
        go(browser, href, title)
        require(not browser.shows("main .content > .fault .cause", "page"), f"{title}: {browser.text('main')}")
        bare = browser.script("return [...document.querySelectorAll('main input, main select, main textarea')].filter((each) => each.labels.length === 0 && !each.ariaLabel).length")
        require(bare == 0, f"{title}: {bare} inputs without a label")
        nameless = browser.script("return [...document.querySelectorAll('main button, main a')].filter((each) => each.textContent.trim() === '').length")
        require(nameless == 0, f"{title}: {nameless} buttons without words")
    require_no_complaint(browser)


def _generate(stage, browser, names=""):
    """Generate CSR, with its preview; the request as the page shows and saves it."""
    browser.press("Generate CSR", "[data-part=request]")
    browser.await_element("[data-part=request] .preview li")
    preview = browser.texts("[data-part=request] .preview li code")
    browser.fill("Additional alternative names", names, "[data-part=request]")
    browser.select("Key", "ecdsa-p256", "[data-part=request]")
    browser.press("Generate CSR", "[data-part=request] form")
    browser.await_element("[data-part=request] dt", "In progress since")
    browser.press("Show (decoded)", "[data-part=request]")
    browser.await_element("[data-part=request] pre[data-form=decoded]", "Certificate Request:")
    browser.press("Show (PEM file)", "[data-part=request]")
    browser.await_element("[data-part=request] pre[data-form=pem]", "BEGIN CERTIFICATE REQUEST")
    return preview, browser.text("[data-part=request] pre")


def _answer(stage, name, request, names):
    path = stage.lab.folder / f"{name}-answer.pem"
    path.write_text(stage.authority.answer(f"{name}-answer", request, names))
    return path, command.run("openssl", "x509", "-noout", "-serial", "-in", path).strip().partition("=")[2]


def test_a09_a10_a_server_certificate_is_requested_signed_uploaded_and_served(stage):
    browser, lab = log_in(stage, "anna", SERVER_PAGE), stage.lab
    before = served(lab, plan.EDGE_NAME)
    preview, request = _generate(stage, browser, "further.example.com")
    require(preview[0] == f"DNS:{plan.EDGE_NAME}", f"{preview}")
    browser.press("Download", "[data-part=request]")
    saved = browser.await_download("server.csr.pem")
    require(saved.strip() == request.strip(), f"saved {saved}\nshown {request}")
    require("further.example.com" in command.run("openssl", "req", "-noout", "-text", stdin=saved), "the additional name is missing")
    require(browser.script("return arguments[0].disabled", browser.input_of("Private key (PEM file)")), "C26: a key may be uploaded while a request is in progress")
    path, serial = _answer(stage, "server", request, (plan.EDGE_NAME, plan.DOMAIN, "further.example.com"))
    browser.choose("Certificate (PEM file)", path)
    browser.press("Check only")
    browser.await_element("[data-part=upload] .done", "It would be taken.")
    browser.await_element("[data-part=upload] .done", serial)
    require(served(lab, plan.EDGE_NAME) == before, "a check installed it")
    browser.press("Upload server certificate data")
    browser.await_element(".done", "serves the next handshake")
    require(served(lab, plan.EDGE_NAME) == serial, "the next handshake shows another one")
    browser.await_element("[data-part=data] .serial", serial)
    require_no_complaint(browser)


def test_c11_c13_c15_a_domain_is_created_clicked_shown_and_deleted(stage):
    browser, lab = log_in(stage, "anna", DOMAINS_PAGE), stage.lab
    browser.fill("New local domain", "-a.b")
    browser.press("Create domain")
    browser.await_element("[data-part=new] .fault .remedy")
    require(browser.script("return arguments[0].value", browser.input_of("New local domain")) == "-a.b", "what was typed is gone")
    browser.fill("New local domain", DOMAIN)
    browser.press("Create domain")
    browser.await_element("td", DOMAIN)
    browser.await_element("td", "off")  # C29: the column of ACME
    browser.press(DOMAIN, kind="td a")
    browser.await_element(".domain", DOMAIN)
    _, request = _generate(stage, browser)
    path, serial = _answer(stage, "domain", request, (DOMAIN, f"collab-edge.{DOMAIN}"))
    browser.choose("Certificate (PEM file)", path)
    browser.press("Upload domain certificate data")
    browser.await_element("[data-part=data] .serial", serial)
    require(served(lab, DOMAIN) == serial, "the domain is shown another certificate")
    browser.press("Show (decoded)", "[data-part=data]")
    browser.await_element("[data-part=data] pre", f"DNS:{DOMAIN}")
    browser.press("Show (PEM file)", "[data-part=data]")
    browser.await_element("[data-part=data] pre", "-----BEGIN CERTIFICATE-----")
    require("PRIVATE" not in browser.text(), "a key is shown")
    browser.press("Delete", "[data-part=data]", "button.danger:last-of-type")
    browser.press("Cancel", "dialog")
    require(DOMAIN in stage.edge.sallyport("domain", "list"), "deleted without being asked to")
    browser.press("Delete", "[data-part=data]", "button.danger:last-of-type")
    browser.press("Delete", "dialog")
    browser.await_element("p", "No domain has a certificate of its own.")
    require(served(lab, DOMAIN) == served(lab, plan.EDGE_NAME), "the deleted one is still served")
    require_no_complaint(browser)


def test_a_refused_upload_says_cause_and_remedy_and_changes_nothing(stage):
    browser = log_in(stage, "anna", SERVER_PAGE)
    before = served(stage.lab, plan.EDGE_NAME)
    browser.choose("Certificate (PEM file)", stage.lab.wallet.cm.certificate)
    browser.press("Upload server certificate data")
    fault = browser.await_element("[data-part=upload] .fault")
    told = browser.script("return arguments[0].innerText", fault)
    require("no matching private key" in told and "What to do:" in told, told)  # C24
    require(served(stage.lab, plan.EDGE_NAME) == before, "it serves")
    browser.choose("Private key (PEM file)", stage.lab.folder / "rita.password")
    browser.press("Check only")
    browser.await_element("[data-part=upload] .fault .remedy")


def test_a15_what_would_break_is_shown_before_an_authority_goes(stage):
    browser = log_in(stage, "anna", TRUST_PAGE)
    browser.select("It vouches for", "traversal")
    browser.choose("Authorities (PEM file)", stage.authority.certificate)
    browser.press("Append CA certificate")
    browser.await_element(".done", "1 added")
    browser.press("Remove", "main", "td button")
    browser.await_element("dialog .would-break li", "Traversal zone")
    browser.press("Cancel", "dialog")
    browser.await_element("td", "Lab CA")


def test_markup_in_names_stays_text(stage):
    """Subjects of certificates are written by others."""
    browser = log_in(stage, "anna", TRUST_PAGE)
    bad = Authority(stage.lab.folder / "bad", MARKUP)
    browser.select("It vouches for", "guests")
    browser.fill("or their text", bad.certificate.read_text())
    browser.press("Append CA certificate")
    browser.await_element("td", MARKUP.replace("<", "\\<").replace(">", "\\>"))  # as RFC 4514 writes names
    require(browser.script("return document.querySelectorAll('main img, main script').length") == 0, "markup became an element")
    browser.await_element("td button", "Remove")
    go(browser, "#/status/event-log", "Event log")
    browser.await_element("td", "for guests")
    go(browser, DOMAINS_PAGE + "?domain=" + "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "Domain certificates")
    browser.await_element(".fault", "<img src=x onerror=alert(1)>")
    require(browser.script("return document.querySelectorAll('main img').length") == 0, "markup of an address became an element")
    require(browser.script("try { document.body.innerHTML = 'x'; return 'made' } catch { return 'refused' }") == "refused", "a script may make markup of text")
    complaints = browser.complaints()
    require(len(complaints) == 1 and "TrustedHTML" in complaints[0], f"the console says {complaints}")


def test_who_only_reads_is_offered_nothing_that_changes(stage):
    browser = log_in(stage, "rita")
    links = browser.texts("nav a")
    require("Server certificate" in links and not {"Administrator accounts", "Audit log", "Backup", "Service discovery"} & set(links), f"{links}")
    for page, title, allowed in ((SERVER_PAGE, "Server certificate", {"Show (decoded)", "Show (PEM file)", "Download"}), (DOMAINS_PAGE, "Domain certificates", set()), (TRUST_PAGE, "Trusted CA certificate", set()),
                                 ("#/configuration/zones/zones", "Zones", {"Refresh"}), ("#/configuration/zones/pair", "Pair", set())):
        go(browser, page, title)
        found = set(browser.texts("main button"))
        require(found <= allowed, f"{title} offers {found}")
    browser.script("location.hash = '#/users/administrator-accounts'")
    browser.await_element("main h1", "Overview")
    require_no_complaint(browser)


def test_who_operates_tests_a_zone(stage):
    browser = log_in(stage, "otto")
    go(browser, "#/configuration/zones/zones", "Zones")
    browser.await_element("td", "active")
    browser.press("Test the layers")
    browser.await_element("section .outcome td", "passed", patience_s=60)
    go(browser, SERVER_PAGE, "Server certificate")
    require(not browser.shows("button", "Generate CSR"), "an operator is offered to change certificates")


def test_a_session_that_ends_loses_nothing_that_was_typed(stage):
    browser = log_in(stage, "anna", SERVER_PAGE)
    browser.press("Generate CSR", "[data-part=request]")
    browser.await_element("[data-part=request] .preview li")
    browser.fill("Additional alternative names", "typed.example.com", "[data-part=request]")
    for session in stage.edge.ask("account", "sessions"):
        stage.edge.sallyport("account", "end-session", session["id"])
    browser.press("Preview names")
    browser.await_element(".warning", "The session has ended")
    browser.fill("Password", PASSWORDS["anna"])
    browser.press("Log in")
    browser.await_element("header .who", "anna")
    browser.press("Preview names")
    browser.await_element("[data-part=request] .preview li", "DNS:typed.example.com")


def test_a_password_is_changed_and_somebody_logs_out(stage):
    browser = log_in(stage, "rita")
    go(browser, "#/users/my-account", "My account")
    for label, text in (("Old password", PASSWORDS["rita"]), ("New password", "reads with another one 8")):
        browser.fill(label, text)
    browser.fill("New password once more", "reads with another one 9")
    browser.press("Change password")
    browser.await_element(".fault", "not the same")
    browser.fill("New password once more", "reads with another one 8")
    browser.press("Change password")
    browser.await_element(".done", "The password is changed")
    PASSWORDS["rita"] = "reads with another one 8"
    browser.press("Log out")
    browser.await_element("button", "Log in")
    require(not [each for each in stage.edge.ask("account", "sessions") if each["account"] == "rita"], "the session stayed")


def test_accounts_are_made_and_the_audit_log_shows_it(stage):
    browser = log_in(stage, "anna", "#/users/administrator-accounts")
    browser.fill("Name", "vera", "[data-part=new]")
    browser.fill("New password", "seven green bottles 1", "[data-part=new]")
    browser.fill("New password once more", "seven green bottles 1", "[data-part=new]")
    browser.press("Create account")
    browser.await_element("td", "vera")
    for _ in range(30):  # more than a page of it
        stage.edge.sallyport("domain", "add", "audited.example.com")
        stage.edge.sallyport("domain", "delete", "audited.example.com", "--yes")
    go(browser, "#/users/audit-log", "Audit log")
    browser.await_element("td", "name=audited.example.com")
    browser.press("Older")
    browser.await_element("button", "Newest")
    browser.await_element("td", "name=vera, role=read")
    require("green bottles" not in browser.text(), "a password is shown")


def test_it_can_be_read_on_a_phone(stage):
    browser = log_in(stage, "anna")
    browser.be_a_phone()
    for page, title in ((SERVER_PAGE, "Server certificate"), (DOMAINS_PAGE, "Domain certificates"), (TRUST_PAGE, "Trusted CA certificate"), ("#/configuration/zones/zones", "Zones"), ("#/status/overview", "Overview")):
        go(browser, page, title)
        wide = browser.script("return document.scrollingElement.scrollWidth - window.innerWidth")
        require(wide <= 0, f"{title} is {wide} pixels too wide")


def test_b37_the_page_of_onboarding_shows_the_authority_that_c_made(stage):
    browser = log_in(stage, "rita", TRUST_PAGE)
    browser.press("CA certificate for mTLS", kind="main a")
    browser.await_element("main h1", "CA certificate for mTLS")
    browser.await_element("main", "no C behind this node has onboarding switched on")
    stage.lab.core.sallyport("onboarding", "on")
    stage.edge.wait_answer(lambda answer: answer["on"], "E opens its port", words=("onboarding",))
    go(browser, "#/status/overview", "Overview")
    go(browser, "#/maintenance/security/ca-certificate-for-mtls", "CA certificate for mTLS")
    browser.await_element("[data-part=authorities] td", "Sallyport onboarding")
    browser.press("Show (PEM file)", "[data-part=authorities]")
    browser.await_element("[data-part=authorities] pre", "BEGIN CERTIFICATE")
    require_no_complaint(browser)
