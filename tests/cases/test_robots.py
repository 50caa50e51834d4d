"""Robots and people by their user agents: scanners of mail, previews of links, crawlers; and readers who are none."""

from __future__ import annotations

import re
import time
from importlib.resources import files

import pytest

from connector.tracking.agents import is_crawler

ROBOTS: list[tuple[str, str]] = [
    # user agent, source
    ("Barracuda Sentinel (EE)", "JayBizzle/Crawler-Detect#552"),
    ("barracuda sentinel (ee)", "names are written in any case"),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "developers.google.com/search"),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bing.com/webmasters"),
    ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "monperrus/crawler-user-agents"),
    ("Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)", "monperrus/crawler-user-agents"),
    ("Sogou Pic Spider/3.0(+http://www.sogou.com/docs/help/webmasters.htm#07)", "monperrus/crawler-user-agents"),
    ("Mozilla/5.0 (compatible; coccoc/1.0; +http://help.coccoc.com/)", "monperrus/crawler-user-agents"),
    ("Mozilla/5.0 (compatible; RankSonicSiteAuditor/1.0; +https://ranksonic.com/)", "monperrus/crawler-user-agents"),
    ("008/0.83 (http://www.advancedwebranking.com)", "monperrus/crawler-user-agents"),
    ("Notion/1.0 (https://notion.so; team@makenotion.com)", "monperrus/crawler-user-agents"),
    ("Blackboard Safeassign", "monperrus/crawler-user-agents"),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "developers.facebook.com"),
    ("Twitterbot/1.0", "monperrus/crawler-user-agents"),
    ("LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)", "crawler-user-agents"),
    ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "api.slack.com/robots"),
    ("TelegramBot (like TwitterBot)", "monperrus/crawler-user-agents"),
    ("WhatsApp/2.23.20.0", "monperrus/crawler-user-agents (previews of links)"),
    ("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", "monperrus/crawler-user-agents"),
    ("SkypeUriPreview Preview/0.5", "monperrus/crawler-user-agents"),
    ("GoogleMessages/20", "JayBizzle/Crawler-Detect (previews of links in texts)"),
    ("Bitrix link preview", "JayBizzle/Crawler-Detect"),
    ("Quora Link Preview/1.0 (http://www.quora.com)", "JayBizzle/Crawler-Detect"),
    ("Kaspersky Lab CFR link resolver cfradmins@kaspersky.com", "JayBizzle/Crawler-Detect (a scanner of links)"),
    ("Mozilla/5.0 (compatible; Norton-Safeweb/1.0)", "JayBizzle/Crawler-Detect"),
    ("Mozilla/5.0 (compatible; SpamExperts/1.0)", "JayBizzle/Crawler-Detect"),
    ("Mozilla/5.0 (compatible; NETCRAFT)", "JayBizzle/Crawler-Detect"),
    ("Expanse, a Palo Alto Networks company, searches across the global IPv4 space", "crawler-user-agents"),
    ("AHC/2.1", "monperrus/crawler-user-agents (AsyncHttpClient)"),
    ("curl/8.5.0", "monperrus/crawler-user-agents"),
    ("Wget/1.21.4", "monperrus/crawler-user-agents"),
    ("python-requests/2.32.3", "monperrus/crawler-user-agents"),
    ("Python/3.11 aiohttp/3.9.1", "monperrus/crawler-user-agents"),
    ("python-httpx/0.27.0", "monperrus/crawler-user-agents"),
    ("Go-http-client/2.0", "monperrus/crawler-user-agents"),
    ("okhttp/4.12.0", "monperrus/crawler-user-agents"),
    ("axios/1.6.7", "monperrus/crawler-user-agents"),
    ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "monperrus/crawler-user-agents"),
    ("Apache-HttpClient/4.5.14 (Java/17)", "monperrus/crawler-user-agents"),
    ("GuzzleHttp/7", "JayBizzle/Crawler-Detect"),
    ("undici", "JayBizzle/Crawler-Detect"),
    ("lua-resty-http/0.10 (Lua) ngx_lua/10012", "JayBizzle/Crawler-Detect"),
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
     "monperrus/crawler-user-agents"),
    ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
     "platform.openai.com/docs/bots"),
    ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
     "monperrus/crawler-user-agents"),
    ("UptimeRobot/2.0 (http://www.uptimerobot.com/)", "monperrus/crawler-user-agents"),
    ("Amazon Simple Notification Service Agent", "monperrus/crawler-user-agents"),
]  # fmt: skip
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
PEOPLE: list[tuple[str, str]] = [
    # user agent, whose
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/130.0.0.0 Safari/537.36", "Chrome"),
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0", "Edge"),
    (f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0", "Opera"),
    ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 "
     "Safari/605.1.15", "Safari"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 "
     "Mobile/15E148 Safari/604.1", "Safari on a telephone"),
    (f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/130.0.0.0 Mobile Safari/537.36", "Chrome on a telephone"),
    (f"Mozilla/5.0 (Linux; Android 14; SM-S921B) {_WEBKIT} SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36",
     "Samsung's browser"),
    (f"Mozilla/5.0 (Linux; U; Android 15; zh-cn; PLE110 Build/AP3A.240617.008) {_WEBKIT} Version/4.0 "
     "Chrome/115.0.5790.168 Mobile Safari/537.36", "a build of Android 15 that the first list counts as a robot"),
    (f"Mozilla/5.0 (Linux; Android 16; Pixel 10 Build/CP1A.260305.018; wv) {_WEBKIT} Version/4.0 Chrome/145.0.0.0 "
     "Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/500.0.0.0;] MetaIAB Facebook", "Facebook's browser"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
     "[FBAN/FBIOS;FBAV/480.0.0.0]", "Facebook's browser"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
     "Instagram 350.0.0.0", "Instagram's browser"),
    (f"Mozilla/5.0 (Linux; U; Android 4.3; en-US; ViewSonic A8+ Build/JLS36C) {_WEBKIT} Mobile Safari/534.30",
     "a telephone of ViewSonic"),
    (f"Mozilla/5.0 (Linux; U; Android 4.3; en-us; HTC_Butterfly Build/JSS15J) {_WEBKIT} Mobile Safari/534.30",
     "a telephone of HTC"),
    (f"Mozilla/5.0 (Linux; U; Android 8.1.0; Fever_Plus Build/O11019; wv) {_WEBKIT} Mobile", "a telephone"),
    (f"Mozilla/5.0 (Linux; Android 5.1; CUBOT X15) {_WEBKIT} Chrome/60.0.3112.107 Mobile", "a telephone of Cubot"),
    (f"Mozilla/5.0 (Linux; U; Android 5.0.2; zh-cn; Redmi Note 2) {_WEBKIT} SogouMSE,SogouMobileBrowser/5.9.5",
     "Sogou's browser"),
    (f"Mozilla/5.0 (Windows NT 6.1) {_WEBKIT} coccocbrowser/47.0 Chrome/41.0.2272.119coccoc Safari", "Cốc Cốc"),
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Notion/2.0.8 Chrome/76.0.3809.146 Electron", "Notion"),
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Slack/4.36 Chrome/120.0.0.0 Electron/28.0", "Slack"),
    ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17628; Pro)", "Outlook"),
    ("Mozilla/4.0 (compatible; ms-office; MSOffice 16)", "Outlook"),
    ("Outlook-iOS/720.1.prod.iphone (4.2.0)", "Outlook on a telephone"),
    ("MacOutlook/16.80.24010102 (Intelx64 Mac OS X 14.2 (Build 23C64))", "Outlook on a Mac"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.2.0", "Thunderbird"),
    ("Airmail 1.3.3 rv:237 (Macintosh; Mac OS X 10.9.3; hr_HR)", "Airmail"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)", "Apple Mail"),
    ("Reeder/5.0 CFNetwork/1410 Darwin/22.6.0", "a reader of feeds"),
    (f"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) {_WEBKIT} 76.0.3809.146/6.0 TV Safari/537.36", "a television"),
    ("Mozilla/5.0", "nothing is known"),
    ("", "nothing is known"),
]  # fmt: skip


@pytest.mark.parametrize(("agent", "source"), ROBOTS)
def test_a_robot_is_known(agent: str, source: str) -> None:
    """M2: scanners, previews, crawlers and programming libraries are no readers."""
    assert is_crawler(agent), source


@pytest.mark.parametrize(("agent", "whose"), PEOPLE)
def test_a_reader_is_no_robot(agent: str, whose: str) -> None:
    """M2: browsers, mail programs, apps and telephones, also those whose names are within a robot's."""
    assert not is_crawler(agent), whose


def test_the_list_has_its_date_and_its_sources() -> None:
    """The file says when it was written, by which command, and from which versions."""
    text = files("connector.tracking").joinpath("crawlers.txt").read_text(encoding="utf-8")
    assert re.search(r"written on \d{4}-\d\d-\d\d by `make robots`", text)
    assert re.search(r"^# crawler-user-agents [\d.]+ ", text, re.MULTILINE)
    assert re.search(r"^# crawlerdetect [\d.]+ ", text, re.MULTILINE)


@pytest.mark.parametrize("agent", ["a" * 512, "Mozilla/5.0 (" * 40, "-_" * 256, "Sogou" + "a " * 250, "é" * 512])
def test_a_strange_agent_takes_little_time(agent: str) -> None:
    """A long agent that matches nothing costs milliseconds, and grows no faster than its length."""
    is_crawler("")
    began = time.process_time()
    for number in range(20):
        is_crawler(f"{agent[:500]}{number}")
    assert time.process_time() - began < 2
