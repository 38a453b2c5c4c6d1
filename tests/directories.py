"""Directory files as operators write them: the least that works, and all there is to say.

A test that wants something else replaces a word of them; what it replaces is what it is about.
"""

from __future__ import annotations

from pathlib import Path

DEMO = Path(__file__).parents[1] / "asterisk" / "demo-directory.toml"

TOWN = """
[[tenants]]
id = "town"
name = "Stadt Langenhagen"
label = "Stadt"

[[skills]]
id = "citizens"
name = "Citizens"

[[partners]]
id = "oldenburg"
name = "Oldenburg"
numbers = ["115"]

[[failsafe_profiles]]
name = "main"
group = "main"
hours = ["8:00-18:00,mon-fri,*,*"]

[[queues]]
id = "town"
name = "Langenhagen"
steps = ["from 0 s: citizens>=3", "from  15 s : any"]
ring_for = 12.5
ladder = ["waited 90 s: partner oldenburg"]

[[entries]]
number = "+495117307"
tenant = "town"
queue = "town"
kind = "main-number"
failsafe = "main"
block = true

[[entries]]
tenant = "town"
queue = "town"
kind = "catch-all"
failsafe = "main"

[[agents]]
id = "anna"
name = "Anna"
phone = "phone-anna"
skills = { citizens = 4 }
"""

COUNTY = """
test_callers = ["+493023125000"]

[[tenants]]
id = "harburg"
name = "Landkreis Harburg"
label = "Harburg"
code = "01"
answers = { pbx = "Innovaphone", "staff-council" = "zugestimmt am 02.11.2012" }
waivers = [{ finding = "question:closure-days", by = "A. Muster", why = "folgen im Januar", on = 2012-12-20 }]

[tenants.contract]
tasks = ["Telefonzentrale", "115"]
valid_from = 2013-01-01
valid_to = 2099-12-31
targets = ["75 % within 30 s", "from 2022-07-01: 80 % within 20 s for 115, forwarded"]
formula = "late-abandons-only"
prices = [
    { flat = "7916.67", included_minutes = 5000 },
    { since = 2023-01-01, per_call = "2.40", per_minute = "1.5900" },
]
inhabitants = 263000
statistics = "own"
data_protection = "Auftragsverarbeitung"

[[prompts]]
id = "greeting-harburg"
name = "Begrüßung"
text = "Willkommen beim Landkreis Harburg."
tenant = "harburg"

[[prompts]]
id = "storm"
name = "Sturm"
recording = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

[[skills]]
id = "harburg"
name = "Landkreis Harburg"
kind = "tenant"

[[skills]]
id = "tuerkisch"
name = "Türkisch"
kind = "language"

[[teams]]
id = "centre"
name = "DialogCenter"
by_target = true

[[calendars]]
id = "house"
name = "Landkreis Harburg"
hours = ["mon-thu 07:00-18:00", "Fri 7:00-15:00"]
special_days = [
    { day = 2026-12-24, name = "Heiligabend", hours = ["08:00-12:00", "22:00 - 24:00"] },
    { day = 2026-05-12, name = "Betriebsausflug" },
]

[[calendars]]
id = "theirs"
name = "Oldenburg"
hours = ["daily 00:00-24:00"]
land = "none"
zone = "Europe/London"
tenant = "harburg"

[[partners]]
id = "oldenburg"
name = "Servicecenter Oldenburg"
numbers = ["115", "+494412350"]
ring_for = 25
calendar = "theirs"
channels = 4
calls_per_hour = 60
min_gain = 45.5
host = "sip.oldenburg.example:5070"
transport = "tcp"
srtp = false

[[failsafe_profiles]]
name = "standard"
group = "all"
phones = ["front-desk", "phone-bert"]
team = "centre"

[[trunks]]
name = "trunk"
area_code = "4171"

[[trunks]]
name = "pbx"
number_format = "subscriber"
area_code = "4171"

[[queues]]
id = "service"
name = "Servicezentrum"
priority = 2
agent_order = "best-level"
home_first = true
steps = ["from 0 s: harburg>=4", "from 20 s: harburg>=2", "from 40.5 s: any"]
ladder = [
    "closed by hours for 115, internal: partner oldenburg",
    "queue length 4: widen 1",
    "waited 60 s: partner oldenburg",
    "all busy: queue dispatch",
]

[[queues]]
id = "dispatch"
name = "Ordnungsdienst"
steps = ["from 0 s: any"]
to_partners = false

[[entries]]
number = "+494171693"
tenant = "harburg"
queue = "service"
kind = "main-number"
failsafe = "standard"
block = true
calendar = "house"

[[entries]]
number = "115"
tenant = "harburg"
queue = "service"
kind = "115"
failsafe = "standard"
calendar = "house"

[[entries]]
number = "4711"
tenant = "harburg"
queue = "service"
kind = "internal"
failsafe = "standard"
calendar = "house"
closed = "acd/it-closed"
at_most = 3
spare = 2

[[entries]]
tenant = "harburg"
queue = "dispatch"
kind = "catch-all"
failsafe = "standard"

[[agents]]
id = "anna"
name = "Anna"
phone = "phone-anna"
skills = { harburg = 5, tuerkisch = 2 }
team = "centre"
home = "harburg"
lines = ["service", "dispatch"]

[[agents]]
id = "bert"
name = "Bert"
phone = "phone-bert"
skills = { harburg = 2 }

[[agents]]
id = "dora"
name = "Dora"
phone = "phone-dora"
lines = ["dispatch"]
"""
