-- Tokens in force, revoked and expired, and an audit log.

INSERT INTO tenants (id, position, name, label) VALUES
    ('region', 1, 'Region Hannover', 'Region'),
    ('langenhagen', 0, 'Stadt Langenhagen', 'Langenhagen');

INSERT INTO trunks (name, position, number_format, area_code, country_code) VALUES
    ('zulauf', 0, 'national', '5102', '49'),
    ('nebenstelle', 1, 'subscriber', '511', '49');

INSERT INTO skills (id, position, name, kind) VALUES
    ('langenhagen', 0, 'Langenhagen', 'tenant'),
    ('115', 1, 'Behördennummer', '115'),
    ('kfz', 2, 'Kfz-Zulassung', 'topic'),
    ('tuerkisch', 3, 'Türkisch', 'language');

INSERT INTO teams (id, position, name, by_target, help_debt) VALUES
    ('zentrum', 0, 'DialogCenter', TRUE, FALSE),
    ('abend', 1, 'Abend', FALSE, TRUE);

INSERT INTO calendars (id, position, name, hours, land, special_days, zone) VALUES
    ('rathaus', 0, 'Rathaus Langenhagen', '["mon-thu 07:00-12:30", "mon-thu 13:30-18:00", "fri 07:00-15:00"]', 'NI',
        '[{"day": "2026-12-24", "name": "Heiligabend", "hours": ["08:00-12:00", "13:00-24:00"]}, {"day": "2026-09-03", "name": "Betriebsausflug", "hours": []}]',
        'Europe/Berlin'),
    ('immer', 1, 'Immer', '["daily 00:00-24:00"]', NULL, '[]', 'Europe/London'),
    ('hamburg', 2, 'Hamburg', '["mon-fri 08:00-18:00"]', 'HH', '[]', 'Europe/Berlin');

INSERT INTO partners (id, position, name, numbers, ring_for_ms, calendar, channels, calls_per_hour, min_gain_ms) VALUES
    ('oldenburg', 0, 'Servicecenter Oldenburg', '["+494412354444", "115"]', 31500, NULL, NULL, NULL, 0),
    ('hamburg', 1, 'Hamburg', '["+4940115"]', 30000, 'hamburg', 4, 60, 45250);

INSERT INTO failsafe_profiles (name, position, "group", partner, hours) VALUES
    ('standard', 0, 'general', 'oldenburg', '["8:00-18:00,mon-fri,*,*", "9:00-12:00,sat,*,*"]'),
    ('bleibt', 1, 'ordnung', NULL, '[]');

INSERT INTO queues (id, position, name, steps, priority, agent_order, home_first, to_partners, ring_for_ms, wrap_up_for_ms,
    max_wait_ms, target_ms, target_share, ladder, music) VALUES
    ('115', 1, 'Behördennummer 115', '["from 0 s: 115>=1"]', 0, 'longest-idle', FALSE, TRUE, 20000, 10000, 900000, 30000, 0.75,
        '[]', 'acd'),
    ('langenhagen', 0, 'Stadt Langenhagen',
        '["from 0 s: langenhagen>=4 and tuerkisch>=2", "from 12.5 s: langenhagen>=2", "from 30 s: any"]', 0, 'best-level', TRUE, TRUE,
        12345, 0, 86400000, 20000, 0.8,
        '["closed by hours for 115, main-number: partner oldenburg", "queue length 4: widen 1", "expected wait 90.25 s: queue 115", "waited 120 s: announce expected-wait", "switched: partner hamburg", "nobody signed in: release"]',
        'bach'),
    ('ordnung', 2, 'Ordnungsdienst "Nord"', '["from 0 s: any"]', 9, 'longest-idle', FALSE, FALSE, 20000, 10000, 900000, 30000, 0.75,
        '["waited 60 s: callback"]', 'acd');

INSERT INTO entries (number, position, tenant, queue, kind, failsafe, block, greeting, announcement, calendar, closed,
    at_most, spare, active_from, active_to) VALUES
    ('+495117307', 0, 'langenhagen', 'langenhagen', 'main-number', 'standard', TRUE, 'acd/langenhagen-gruss', 'acd/langenhagen',
        'rathaus', 'acd/closed', NULL, 0, NULL, NULL),
    ('115', 1, 'region', '115', '115', 'standard', FALSE, NULL, 'acd/115', 'immer', 'acd/closed', NULL, 0, NULL, NULL),
    ('+4951173079999', 2, 'langenhagen', 'ordnung', 'forwarded', 'bleibt', FALSE, NULL, NULL, NULL, 'acd/closed', NULL, 0, NULL, NULL),
    ('+4951161600', 3, 'region', '115', 'partner-inbound', 'standard', FALSE, NULL, NULL, 'immer', 'acd/closed', 4, 2, NULL, NULL),
    ('4711', 4, 'region', 'langenhagen', 'internal', 'bleibt', FALSE, NULL, NULL, 'rathaus', 'acd/it-closed', 3, 0, NULL, NULL),
    ('', 5, 'region', '115', 'catch-all', 'standard', FALSE, NULL, NULL, NULL, 'acd/closed', NULL, 0, NULL, NULL),
    ('+495130', 6, 'region', 'langenhagen', 'main-number', 'standard', TRUE, NULL, 'acd/wedemark', 'rathaus', 'acd/closed', NULL, 0,
        '2027-01-01', NULL),
    ('+495130', 7, 'langenhagen', 'ordnung', 'main-number', 'bleibt', FALSE, NULL, NULL, NULL, 'acd/closed', NULL, 0,
        '2026-02-28', '2026-12-31');

INSERT INTO agents (id, position, name, phone, team, home, lines) VALUES
    ('bert', 0, 'Bert O''Neill', 'phone-bert', NULL, NULL, '["115", "ordnung"]'),
    ('anna', 1, 'Anna Öztürk', 'phone-anna', 'zentrum', 'langenhagen', '[]'),
    ('cem', 2, 'Cem', 'phone-cem', 'abend', NULL, '[]');

INSERT INTO agent_skills (agent, skill, level) VALUES
    ('anna', 'langenhagen', 5),
    ('anna', 'tuerkisch', 2),
    ('bert', '115', 1),
    ('bert', 'langenhagen', 2);

INSERT INTO records (call, tenant, queue, kind, dialled, ani, trunk, trunk_call_id, t_in, t_ann_end, t_q, t_ans,
    t_end, t_wrap_end, t_leave, t_ovf, t_ovf_ans, t_failsafe, agent, partner, transferred_to, transfer_blind,
    failsafe_answered_by, hung_up_first, cause, result, reason, blame, in_time, offers, overflow_trigger,
    overflow_partner, rungs, t_callback) VALUES
    ('acd-1772438400.17', 'langenhagen', 'langenhagen', 'main-number', '+4951173070', '+4930230125001', 'trunk',
        'b3f1@192.0.2.7', '2026-03-02 08:00:00.123456', '2026-03-02 08:00:04.000000', '2026-03-02 08:00:00.500000',
        '2026-03-02 08:00:28.750000', '2026-03-02 08:03:01.000001', '2026-03-02 08:03:11.000001', NULL, NULL, NULL,
        NULL, 'bert', NULL, NULL, NULL, NULL, 'caller', 16, 'served', 'talked', 'nobody', TRUE,
        '[{"offer": "1772438400501", "agent": "anna", "at": "2026-03-02T08:00:04.000000+00:00", "result": "no-answer", "why": "langenhagen 5 >= 3, longest idle"}, {"offer": "1772438400502", "agent": "bert", "at": "2026-03-02T08:00:25.000000+00:00", "result": "answered", "why": "langenhagen 5 >= 3, longest idle"}]',
        '', NULL, NULL, NULL),
    ('acd-1772438460.18', 'region', '115', '115', '115', NULL, 'trunk', 'b3f2@192.0.2.7',
        '2026-03-02 08:01:00.000000', NULL, '2026-03-02 08:01:00.400000', NULL, '2026-03-02 08:04:30.000000', NULL,
        '2026-03-02 08:04:30.000000', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'caller', 0, 'abandoned',
        'waiting', 'caller', FALSE, '[]', '', NULL, NULL, NULL),
    ('acd-1772438520.19', 'langenhagen', 'langenhagen', 'main-number', '+49511730712', '+495117261', 'trunk',
        'b3f3@192.0.2.7', '2026-03-02 08:02:00.000000', NULL, '2026-03-02 08:02:00.400000', NULL,
        '2026-03-02 08:09:00.000000', NULL, NULL, '2026-03-02 08:03:30.900000', '2026-03-02 08:03:41.000000', NULL,
        NULL, 'oldenburg', NULL, NULL, NULL, 'unknown', 16, 'overflowed', 'partner-answered', 'nobody', FALSE, '[]',
        '', NULL, NULL, NULL),
    ('acd-1772438580.20', 'langenhagen', 'ordnung', 'main-number', '+4951173079999', '+49170000001', 'nebenstelle',
        'b3f4@192.0.2.7', '2026-03-02 08:03:00.000000', NULL, NULL, NULL, '2026-03-02 08:05:00.000000', NULL, NULL,
        NULL, NULL, '2026-03-02 08:03:03.250000', NULL, NULL, NULL, NULL, 'main', 'agent', 16, 'failsafe',
        'service-away', 'us', FALSE, '[]', '', NULL, NULL, NULL),
    ('acd-1772438640.21', 'region', '115', 'catch-all', '110', '+49511999', 'trunk', '',
        '2026-03-02 08:04:00.000000', NULL, NULL, NULL, '2026-03-02 08:04:02.000000', NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, 'caller', 16, 'refused', 'emergency', 'nobody', FALSE, '[]', '', NULL, NULL,
        NULL),
    ('acd-1774749540.7', 'seelze', 'seelze', 'main-number', '+495137828', 'anonymous''; DROP TABLE records --',
        'trunk', '�"Grüße" \n 😀@host', '2026-03-29 00:59:59.999999', NULL, '2026-03-29 01:00:00.000000',
        '2026-03-29 01:00:01.000000', '2026-03-29 01:10:00.000000', '2026-03-29 01:10:10.000000', NULL, NULL, NULL,
        NULL, 'dora', NULL, '0511 168-0', TRUE, NULL, 'agent', 127, 'served', 'talked', 'nobody', TRUE,
        '[{"offer": "9", "agent": "dora", "at": "2026-03-29T01:00:00.250000+00:00", "result": "answered", "why": "langenhagen 5 >= 3, longest idle"}]',
        '', NULL, NULL, NULL),
    ('acd-1772438700.22', 'langenhagen', 'langenhagen', 'main-number', '+4951173070', '+49511730755', 'trunk',
        'b3f6@192.0.2.7', '2026-03-02 08:05:00.000000', NULL, '2026-03-02 08:05:00.000000',
        '2026-03-02 08:05:30.000000', '2026-03-02 08:06:00.000000', '2026-03-02 08:06:10.000000', NULL, NULL, NULL,
        NULL, 'anna', NULL, '+495117307200', FALSE, NULL, 'unknown', 38, 'failed', 'lost', 'switch', TRUE, '[]', '',
        NULL, NULL, NULL),
    ('acd-1776700800.40', 'langenhagen', 'langenhagen', 'forwarded', '+4951173079999', '+4951112345', 'zulauf',
        'c0@192.0.2.7', '2026-04-20 16:00:00.000000', NULL, '2026-04-20 16:00:00.300000', NULL,
        '2026-04-20 16:04:00.000000', NULL, NULL, '2026-04-20 16:02:00.000000', NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, 'unknown', 16, 'released', 'nobody-signed-in', 'us', FALSE, '[]', 'waited', 'hamburg',
        '[{"at": "2026-04-20T16:02:00.000000+00:00", "rung": "waited 120 s: partner hamburg", "why": "waited 120 s"}, {"at": "2026-04-20T16:04:00.000000+00:00", "rung": "nobody signed in: release", "why": "nobody is signed in"}]',
        NULL),
    ('acd-1776704400.41', 'region', 'langenhagen', 'internal', '4711', NULL, 'nebenstelle', 'c1@192.0.2.7',
        '2026-04-20 17:00:00.000000', NULL, NULL, NULL, '2026-04-20 17:00:09.000000', NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, 'caller', 16, 'closed', 'closed-by-hours', 'nobody', FALSE, '[]', '', NULL,
        '[]', NULL),
    ('acd-1777273200.50', 'langenhagen', 'ordnung', 'main-number', '+4951173079999', '+495117261', 'zulauf',
        'd0@192.0.2.7', '2026-04-27 07:00:00.000000', NULL, '2026-04-27 07:00:00.300000', NULL,
        '2026-04-27 07:01:20.000000', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'caller', 16,
        'callback', 'promised', 'nobody', FALSE, '[]', '', NULL,
        '[{"at": "2026-04-27T07:01:00.000000+00:00", "rung": "waited 60 s: callback", "why": "waited 60 s"}]',
        '2026-04-27 07:01:15.500000');

INSERT INTO record_conflicts (call, digest, seen_at, content) VALUES
    ('acd-1772438460.18', '9d5ed678fe57bcca610140957afab571a57a6e1b0f3f5a5d8e4e5a3c0f8ffb5a', '2026-03-02 08:05:00.000000',
        '{"call": "acd-1772438460.18", "tenant": "region", "queue": "115", "kind": "115", "dialled": "115", "ani": null, "trunk": "trunk", "trunk_call_id": "b3f2@192.0.2.7", "t_in": "2026-03-02T08:01:00+00:00", "t_ann_end": null, "t_q": null, "t_ans": null, "t_end": "2026-03-02T08:04:31+00:00", "t_wrap_end": null, "t_leave": null, "t_ovf": null, "t_ovf_ans": null, "t_failsafe": null, "agent": null, "partner": null, "transferred_to": null, "transfer_blind": null, "failsafe_answered_by": null, "hung_up_first": "unknown", "cause": 0, "outcome": {"result": "failed", "reason": "lost", "blame": "us"}, "in_time": false, "offers": []}');

INSERT INTO agent_intents (agent, intent, reason, at) VALUES
    ('anna', 'ready', '', '2026-03-02 07:00:00.000000'),
    ('cem', 'not-ready', 'rona', '2026-03-02 07:30:00.125000'),
    ('dora', 'signed-out', '', '2026-03-01 18:00:00.000000');

INSERT INTO queue_switches (queue, until, by) VALUES
    ('langenhagen', '2026-11-23 15:00:00.000000', 'supervisor'),
    ('seelze', '2026-04-21 15:00:00.000000', '');

INSERT INTO directory_versions (number, at, by, why, content) VALUES
    (1, '2026-11-20 09:00:00.000000', '', 'found in the database', 'tenants:
  - id: langenhagen
    name: Stadt Langenhagen
    label: LGH
  - id: region
    name: Region Hannover
    label: Region
trunks:
  - name: zulauf
    area_code: ''5102''
  - name: nebenstelle
    number_format: subscriber
skills:
  - id: langenhagen
    name: Langenhagen
    kind: tenant
  - id: ''115''
    name: Behördennummer
    kind: ''115''
  - id: kfz
    name: Kfz-Zulassung
  - id: tuerkisch
    name: Türkisch
    kind: language
teams:
  - id: zentrum
    name: DialogCenter
    by_target: true
  - id: abend
    name: Abend
    help_debt: true
calendars:
  - id: rathaus
    name: Rathaus Langenhagen
    hours:
      - mon-thu 07:00-12:30
      - mon-thu 13:30-18:00
      - fri 07:00-15:00
    land: NI
    special_days:
      - day: 2026-12-24
        name: Heiligabend
        hours:
          - 08:00-12:00
          - 13:00-24:00
      - day: 2026-09-03
        name: Betriebsausflug
  - id: immer
    name: Immer
    hours:
      - daily 00:00-24:00
    land: none
    zone: Europe/London
  - id: hamburg
    name: Hamburg
    hours:
      - mon-fri 08:00-18:00
    land: HH
partners:
  - id: oldenburg
    name: Servicecenter Oldenburg
    numbers:
      - ''+494412354444''
      - ''115''
    ring_for: 31.5
  - id: hamburg
    name: Hamburg
    numbers:
      - ''+4940115''
    calendar: hamburg
    channels: 4
    calls_per_hour: 60
    min_gain: 45.25
failsafe_profiles:
  - name: standard
    group: general
    partner: oldenburg
    hours:
      - 8:00-18:00,mon-fri,*,*
      - 9:00-12:00,sat,*,*
  - name: bleibt
    group: ordnung
queues:
  - id: langenhagen
    name: Stadt Langenhagen
    steps:
      - ''from 0 s: langenhagen>=4 and tuerkisch>=2''
      - ''from 12.5 s: langenhagen>=2''
      - ''from 30 s: any''
    agent_order: best-level
    home_first: true
    ring_for: 12.345
    wrap_up_for: 0
    max_wait: 86400
    target: 20
    target_share: 0.8
    ladder:
      - ''closed by hours for 115, main-number: partner oldenburg''
      - ''queue length 4: widen 1''
      - ''expected wait 90.25 s: queue 115''
      - ''waited 120 s: announce expected-wait''
      - ''switched: partner hamburg''
      - ''nobody signed in: release''
    music: bach
  - id: ''115''
    name: Behördennummer 115
    steps:
      - ''from 0 s: 115>=1''
  - id: ordnung
    name: Ordnungsdienst "Nord"
    steps:
      - ''from 0 s: any''
    priority: 9
    to_partners: false
    ladder:
      - ''waited 60 s: callback''
entries:
  - number: ''+495117307''
    tenant: langenhagen
    queue: langenhagen
    kind: main-number
    failsafe: standard
    block: true
    greeting: acd/langenhagen-gruss
    announcement: acd/langenhagen
    calendar: rathaus
  - number: ''115''
    tenant: region
    queue: ''115''
    kind: ''115''
    failsafe: standard
    announcement: acd/115
    calendar: immer
  - number: ''+4951173079999''
    tenant: langenhagen
    queue: ordnung
    kind: forwarded
    failsafe: bleibt
  - number: ''+4951161600''
    tenant: region
    queue: ''115''
    kind: partner-inbound
    failsafe: standard
    calendar: immer
    at_most: 4
    spare: 2
  - number: ''4711''
    tenant: region
    queue: langenhagen
    kind: internal
    failsafe: bleibt
    calendar: rathaus
    closed: acd/it-closed
    at_most: 3
  - tenant: region
    queue: ''115''
    kind: catch-all
    failsafe: standard
agents:
  - id: bert
    name: Bert O''Neill
    phone: phone-bert
    skills:
      ''115'': 1
      langenhagen: 2
    lines:
      - ''115''
      - ordnung
  - id: anna
    name: Anna Öztürk
    phone: phone-anna
    skills:
      langenhagen: 5
      tuerkisch: 2
    team: zentrum
    home: langenhagen
  - id: cem
    name: Cem
    phone: phone-cem
    team: abend
'),
    (2, '2026-11-20 09:00:00.000000', 'anna', 'Wedemark''s number', 'tenants:
  - id: langenhagen
    name: Stadt Langenhagen
    label: LGH
  - id: region
    name: Region Hannover
    label: Region
trunks:
  - name: zulauf
    area_code: ''5102''
  - name: nebenstelle
    number_format: subscriber
skills:
  - id: langenhagen
    name: Langenhagen
    kind: tenant
  - id: ''115''
    name: Behördennummer
    kind: ''115''
  - id: kfz
    name: Kfz-Zulassung
  - id: tuerkisch
    name: Türkisch
    kind: language
teams:
  - id: zentrum
    name: DialogCenter
    by_target: true
  - id: abend
    name: Abend
    help_debt: true
calendars:
  - id: rathaus
    name: Rathaus Langenhagen
    hours:
      - mon-thu 07:00-12:30
      - mon-thu 13:30-18:00
      - fri 07:00-15:00
    land: NI
    special_days:
      - day: 2026-12-24
        name: Heiligabend
        hours:
          - 08:00-12:00
          - 13:00-24:00
      - day: 2026-09-03
        name: Betriebsausflug
  - id: immer
    name: Immer
    hours:
      - daily 00:00-24:00
    land: none
    zone: Europe/London
  - id: hamburg
    name: Hamburg
    hours:
      - mon-fri 08:00-18:00
    land: HH
partners:
  - id: oldenburg
    name: Servicecenter Oldenburg
    numbers:
      - ''+494412354444''
      - ''115''
    ring_for: 31.5
  - id: hamburg
    name: Hamburg
    numbers:
      - ''+4940115''
    calendar: hamburg
    channels: 4
    calls_per_hour: 60
    min_gain: 45.25
failsafe_profiles:
  - name: standard
    group: general
    partner: oldenburg
    hours:
      - 8:00-18:00,mon-fri,*,*
      - 9:00-12:00,sat,*,*
  - name: bleibt
    group: ordnung
queues:
  - id: langenhagen
    name: Stadt Langenhagen
    steps:
      - ''from 0 s: langenhagen>=4 and tuerkisch>=2''
      - ''from 12.5 s: langenhagen>=2''
      - ''from 30 s: any''
    agent_order: best-level
    home_first: true
    ring_for: 12.345
    wrap_up_for: 0
    max_wait: 86400
    target: 20
    target_share: 0.8
    ladder:
      - ''closed by hours for 115, main-number: partner oldenburg''
      - ''queue length 4: widen 1''
      - ''expected wait 90.25 s: queue 115''
      - ''waited 120 s: announce expected-wait''
      - ''switched: partner hamburg''
      - ''nobody signed in: release''
    music: bach
  - id: ''115''
    name: Behördennummer 115
    steps:
      - ''from 0 s: 115>=1''
  - id: ordnung
    name: Ordnungsdienst "Nord"
    steps:
      - ''from 0 s: any''
    priority: 9
    to_partners: false
    ladder:
      - ''waited 60 s: callback''
entries:
  - number: ''+495117307''
    tenant: langenhagen
    queue: langenhagen
    kind: main-number
    failsafe: standard
    block: true
    greeting: acd/langenhagen-gruss
    announcement: acd/langenhagen
    calendar: rathaus
  - number: ''115''
    tenant: region
    queue: ''115''
    kind: ''115''
    failsafe: standard
    announcement: acd/115
    calendar: immer
  - number: ''+4951173079999''
    tenant: langenhagen
    queue: ordnung
    kind: forwarded
    failsafe: bleibt
  - number: ''+4951161600''
    tenant: region
    queue: ''115''
    kind: partner-inbound
    failsafe: standard
    calendar: immer
    at_most: 4
    spare: 2
  - number: ''4711''
    tenant: region
    queue: langenhagen
    kind: internal
    failsafe: bleibt
    calendar: rathaus
    closed: acd/it-closed
    at_most: 3
  - tenant: region
    queue: ''115''
    kind: catch-all
    failsafe: standard
  - number: ''+495130''
    tenant: region
    queue: langenhagen
    kind: main-number
    failsafe: standard
    block: true
    announcement: acd/wedemark
    calendar: rathaus
    active_from: 2027-01-01
  - number: ''+495130''
    tenant: langenhagen
    queue: ordnung
    kind: main-number
    failsafe: bleibt
    active_from: 2026-02-28
    active_to: 2026-12-31
agents:
  - id: bert
    name: Bert O''Neill
    phone: phone-bert
    skills:
      ''115'': 1
      langenhagen: 2
    lines:
      - ''115''
      - ordnung
  - id: anna
    name: Anna Öztürk
    phone: phone-anna
    skills:
      langenhagen: 5
      tuerkisch: 2
    team: zentrum
    home: langenhagen
  - id: cem
    name: Cem
    phone: phone-cem
    team: abend
'),
    (3, '2026-11-21 09:00:00.500000', 'leitstelle', '', 'tenants:
  - id: langenhagen
    name: Stadt Langenhagen
    label: Langenhagen
  - id: region
    name: Region Hannover
    label: Region
trunks:
  - name: zulauf
    area_code: ''5102''
  - name: nebenstelle
    number_format: subscriber
skills:
  - id: langenhagen
    name: Langenhagen
    kind: tenant
  - id: ''115''
    name: Behördennummer
    kind: ''115''
  - id: kfz
    name: Kfz-Zulassung
  - id: tuerkisch
    name: Türkisch
    kind: language
teams:
  - id: zentrum
    name: DialogCenter
    by_target: true
  - id: abend
    name: Abend
    help_debt: true
calendars:
  - id: rathaus
    name: Rathaus Langenhagen
    hours:
      - mon-thu 07:00-12:30
      - mon-thu 13:30-18:00
      - fri 07:00-15:00
    land: NI
    special_days:
      - day: 2026-12-24
        name: Heiligabend
        hours:
          - 08:00-12:00
          - 13:00-24:00
      - day: 2026-09-03
        name: Betriebsausflug
  - id: immer
    name: Immer
    hours:
      - daily 00:00-24:00
    land: none
    zone: Europe/London
  - id: hamburg
    name: Hamburg
    hours:
      - mon-fri 08:00-18:00
    land: HH
partners:
  - id: oldenburg
    name: Servicecenter Oldenburg
    numbers:
      - ''+494412354444''
      - ''115''
    ring_for: 31.5
  - id: hamburg
    name: Hamburg
    numbers:
      - ''+4940115''
    calendar: hamburg
    channels: 4
    calls_per_hour: 60
    min_gain: 45.25
failsafe_profiles:
  - name: standard
    group: general
    partner: oldenburg
    hours:
      - 8:00-18:00,mon-fri,*,*
      - 9:00-12:00,sat,*,*
  - name: bleibt
    group: ordnung
queues:
  - id: langenhagen
    name: Stadt Langenhagen
    steps:
      - ''from 0 s: langenhagen>=4 and tuerkisch>=2''
      - ''from 12.5 s: langenhagen>=2''
      - ''from 30 s: any''
    agent_order: best-level
    home_first: true
    ring_for: 12.345
    wrap_up_for: 0
    max_wait: 86400
    target: 20
    target_share: 0.8
    ladder:
      - ''closed by hours for 115, main-number: partner oldenburg''
      - ''queue length 4: widen 1''
      - ''expected wait 90.25 s: queue 115''
      - ''waited 120 s: announce expected-wait''
      - ''switched: partner hamburg''
      - ''nobody signed in: release''
    music: bach
  - id: ''115''
    name: Behördennummer 115
    steps:
      - ''from 0 s: 115>=1''
  - id: ordnung
    name: Ordnungsdienst "Nord"
    steps:
      - ''from 0 s: any''
    priority: 9
    to_partners: false
    ladder:
      - ''waited 60 s: callback''
entries:
  - number: ''+495117307''
    tenant: langenhagen
    queue: langenhagen
    kind: main-number
    failsafe: standard
    block: true
    greeting: acd/langenhagen-gruss
    announcement: acd/langenhagen
    calendar: rathaus
  - number: ''115''
    tenant: region
    queue: ''115''
    kind: ''115''
    failsafe: standard
    announcement: acd/115
    calendar: immer
  - number: ''+4951173079999''
    tenant: langenhagen
    queue: ordnung
    kind: forwarded
    failsafe: bleibt
  - number: ''+4951161600''
    tenant: region
    queue: ''115''
    kind: partner-inbound
    failsafe: standard
    calendar: immer
    at_most: 4
    spare: 2
  - number: ''4711''
    tenant: region
    queue: langenhagen
    kind: internal
    failsafe: bleibt
    calendar: rathaus
    closed: acd/it-closed
    at_most: 3
  - tenant: region
    queue: ''115''
    kind: catch-all
    failsafe: standard
  - number: ''+495130''
    tenant: region
    queue: langenhagen
    kind: main-number
    failsafe: standard
    block: true
    announcement: acd/wedemark
    calendar: rathaus
    active_from: 2027-01-01
  - number: ''+495130''
    tenant: langenhagen
    queue: ordnung
    kind: main-number
    failsafe: bleibt
    active_from: 2026-02-28
    active_to: 2026-12-31
agents:
  - id: bert
    name: Bert O''Neill
    phone: phone-bert
    skills:
      ''115'': 1
      langenhagen: 2
    lines:
      - ''115''
      - ordnung
  - id: anna
    name: Anna Öztürk
    phone: phone-anna
    skills:
      langenhagen: 5
      tuerkisch: 2
    team: zentrum
    home: langenhagen
  - id: cem
    name: Cem
    phone: phone-cem
    team: abend
');

INSERT INTO tokens (id, name, role, tenant, digest, created_at, expires_at, revoked_at) VALUES
    ('5f0c9a1e', 'rathaus-langenhagen', 'town-admin', 'langenhagen',
        '0ac5a2ae1f6b8ef6235132d87cf631aee2b31b05bb541bed4c39b498d665392a', '2026-11-01 09:00:00.000000', '2099-12-31 23:59:59.000000', NULL),
    ('00000001', 'leitstelle', 'operator', NULL,
        '2deea989741b63704eeb84f39f3bbe1a6f42eebf04e54c389ee74959217c647d', '2026-11-02 09:00:00.000000', '2099-12-31 23:59:59.000000', NULL),
    ('dead0001', 'verloren', 'supervisor', NULL,
        'ea13381925e124e37aaede4bde1a32b477cb143e2098d57885adde4f10336676', '2026-11-03 09:00:00.000000', '2099-12-31 23:59:59.000000', '2026-11-04 09:00:00.000000'),
    ('0ld00001', 'prüfung 2025', 'auditor', 'seelze',
        '846953409cd20fd0f8840b10513023253186d74ec66da19a053ee8b13a85593a', '2025-01-01 09:00:00.000000', '2025-04-01 09:00:00.000000', NULL);

INSERT INTO audit (at, who, role, tenant, action, about, outcome, details) VALUES
    ('2026-11-01 09:00:00.000000', 'command-line', 'operator', 'langenhagen', 'tokens.create', '5f0c9a1e', 'done',
        '{"name": "rathaus-langenhagen", "role": "town-admin", "expires_at": "2099-12-31T23:59:59+00:00"}'),
    ('2026-11-02 10:00:00.250000', 'leitstelle', 'operator', NULL, 'directory.change', '', 'done', '{"why": "Töpfer; ''heute''"}'),
    ('2026-11-03 10:00:00.000000', 'stranger', '', NULL, 'agents.command', 'anna', 'refused', '{}');
