"""Pairs with the mat's page by the code of `firmware-ctl web pair`, shows the state, and stops.

usage: python3 web_stop.py http://192.168.1.5:8043 123456
"""

import json
import sys
from urllib.request import HTTPCookieProcessor, Request, build_opener

address, code = sys.argv[1:]
browser = build_opener(HTTPCookieProcessor())  # keeps the cookie of the paired device
browser.open(Request(f"{address}/pair", json.dumps({"code": code}).encode(), method="POST"))
state = json.load(browser.open(f"{address}/state"))
print(state["state"], state["profile"], f"{state['left']:.0f} s left")
browser.open(Request(f"{address}/stop", method="POST"))  # needs no cookie
print(json.load(browser.open(f"{address}/state"))["state"])
