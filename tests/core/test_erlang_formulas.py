"""The queueing formulas against figures computed with fifty digits, and against what must hold whatever the figures.

The systems are those of the centres this is for (Hannover: 80 to 185 calls an hour, Harburg: 83) and some that break
careless formulas: more load than agents (P13, P16, P17), exactly as much (P14), a thousand agents (P15).
"""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialog_acd.core import erlang as q

if TYPE_CHECKING:
    from collections.abc import Callable


PRINTED = 1e-9
"""Ten digits are printed."""

# calls/h, AHT s, agents, T s | erlang, Erlang B, Erlang C, ASA s, answered within T, callers in line
WITHOUT_PATIENCE = """
P1  30    60  1    30 0.5000000000 0.3333333333  0.5000000000 60.00000000 0.6105996085 0.5000000000
P2  60    60  2    30 1.000000000  0.2000000000  0.3333333333 20.00000000 0.7978231134 0.3333333333
P3  80    60  3    30 1.333333333  0.1092150171  0.1807909605 6.508474576 0.9214285725 0.1446327684
P4  160   60  4    30 2.666666667  0.1686985173  0.3784183296 17.02882483 0.8057135514 0.7568366593
P5  160   60  5    30 2.666666667  0.08254569638 0.1616352946 4.156336146 0.9496662482 0.1847260510
P6  160   120 7    30 5.333333333  0.1417314149  0.4095324012 29.48633288 0.7300196018 1.310503684
P7  45    150 3    30 1.875000000  0.1916851252  0.3873966942 51.65289256 0.6906574566 0.6456611570
P8  45    150 4    30 1.875000000  0.08244456061 0.1446660037 10.21171791 0.9054217378 0.1276464739
P9  200   180 14   20 10.00000000  0.05681914339 0.1741319336 7.835937012 0.8883500192 0.4353298340
P10 600   240 44   30 40.00000000  0.06459678234 0.4317001801 25.90201080 0.7381606050 4.317001801
P11 2880  60  50   30 48.00000000  0.08333735349 0.6944556112 20.83366834 0.7445240578 16.66693467
P12 504   600 90   30 84.00000000  0.04461987096 0.4119573138 41.19573138 0.6948145158 5.767402394
P13 440   180 20   30 22.00000000  0.2090459956  unstable     inf         0            inf
P14 200   180 10   30 10.00000000  0.2145823431  unstable     inf         0            inf
P15 19600 180 1000 20 980.0000000  0.01383121013 0.4122002924 3.709802631 0.9553306691 20.19781433
P16 150   120 5    30 5.000000000  0.2848678213  unstable     inf         0            inf
P17 220   180 10   30 11.00000000  0.2595803279  unstable     inf         0            inf
P18 185   60  5    30 3.083333333  0.1172261787  0.2572877742 8.054225976 0.9013220153 0.4138977238
P19 185   95  7    30 4.881944444  0.1131604937  0.2966200382 13.30413811 0.8480437975 0.6836848750
P20 185   150 10   30 7.708333333  0.1086285495  0.3471656826 22.72357195 0.7804744111 1.167739114
P21 83    90  4    30 2.075000000  0.1031386396  0.1928714883 9.017368282 0.8984696837 0.2079004354
P22 83    180 6    30 4.150000000  0.1281034491  0.3227289360 31.40065324 0.7629006076 0.7239595052
"""

# agents, patience s, T s | P(wait), P(abandon), mean wait of all, of the served, of those who gave up, occupancy
WITH_PATIENCE = """
P1  1    120 30 0.4180232931 0.1639534137   19.67440965 14.69497946 45.06598592 0.4180232931
P2  2    60  30 0.2642411177 0.1036383235   6.218299411 4.331976588 22.53299296 0.4481808382
P3  3    120 30 0.1604437921 0.03104697242  3.725636690 3.136188299 22.12188465 0.4306457900
P4  4    120 30 0.3061391236 0.05814135899  6.976963079 6.114193242 20.95336886 0.6279057607
P5  5    120 30 0.1420455537 0.02044578352  2.453494023 2.164872528 16.28130366 0.5224289155
P6  7    120 30 0.2879993072 0.06432036564  7.718443877 6.583695192 24.22583191 0.7128987690
P7  3    150 30 0.2895351927 0.09584816206  14.37722431 10.96960884 46.52183435 0.5650948987
P8  4    150 30 0.1210543941 0.03128581852  4.692872779 3.654230036 36.85274592 0.4540847726
P9  14   180 20 0.1355355774 0.01869371527  3.364868749 2.997690156 22.63951030 0.7009330605
P10 44   180 30 0.2666693850 0.02903938895  5.227090011 4.879089339 16.86283570 0.8826914646
P11 50   120 30 0.4677740686 0.03091224916  3.709469899 3.615900240 6.642844653 0.9303242408
P12 90   600 30 0.2703554047 0.01720014944  10.32008966 9.929228180 32.65353559 0.9172798605
P13 20   180 30 0.6939729794 0.1366172923   24.59111262 24.00804367 28.27594373 0.9497209784
P14 10   180 30 0.5420702855 0.1251100357   22.51980643 20.68976210 35.31724039 0.8748899643
P15 1000 300 20 0.2949202485 0.004071914720 1.221574416 1.212115148 3.535166738 0.9760095236
P16 5    180 30 0.6026778573 0.1582704520   28.48868136 26.20536504 40.63203972 0.8417295480
P17 10   180 30 0.6594893575 0.1684790873   30.32623571 28.75609295 38.07560424 0.9146730040
P18 5    120 30 0.2168393041 0.03385381676  4.062458011 3.595183432 17.39789825 0.5957901463
P19 7    120 30 0.2287004899 0.04189375722  5.027250866 4.368743669 20.08724782 0.6682030642
P20 10   180 30 0.2556630465 0.04166981677  7.500567019 6.679987649 26.37240374 0.7387128496
P21 4    150 30 0.1655199965 0.03143771425  4.715657137 3.997056446 26.85497435 0.5024416857
P22 6    180 30 0.2387310426 0.05528782498  9.951808496 8.296969243 38.22831948 0.6534259211
"""

# T s | SL1, SL2, SL3, SL4, SL5, P(abandoned within T)
SERVICE_LEVELS = """
P1  30 0.6954939016 0.8318841475 0.7737860169 0.7545708496 0.7072161398 0.07829211527
P2  30 0.8488309946 0.9469737684 0.9247559358 0.9185736445 0.8661119130 0.07592494113
P3  30 0.9320399093 0.9619041200 0.9549590799 0.9539025649 0.9377128602 0.02291917057
P4  30 0.8710023422 0.9247697099 0.9149263556 0.9110179048 0.8812044384 0.04392401336
P5  30 0.9576356208 0.9776239076 0.9748407369 0.9744002909 0.9626275969 0.01720511609
P6  30 0.8558663978 0.9147002525 0.9008703362 0.8961988768 0.8654510647 0.04500393842
P7  30 0.7919478324 0.8759013688 0.8362380632 0.8286488826 0.7993182596 0.04429023072
P8  30 0.9254552339 0.9553439514 0.9425844563 0.9415838328 0.9289862972 0.01712922236
P9  20 0.9255597921 0.9431915463 0.9362151341 0.9355281646 0.9287612630 0.01065534201
P10 30 0.9162091221 0.9436110093 0.9403415068 0.9388662025 0.9223807204 0.02413238466
P11 30 0.9660349663 0.9968498369 0.9968444411 0.9967441294 0.9810167512 0.03080947473
P12 30 0.8550637798 0.8700283983 0.8649365231 0.8635897800 0.8568971032 0.009872743326
P13 30 0.5720007797 0.6625112765 0.6571360453 0.6252298927 0.5827160607 0.08513526557
P14 30 0.6421235659 0.7339478016 0.7101121339 0.6889653323 0.6514898855 0.06798856799
P15 20 0.9956066873 0.9996772880 0.9996765548 0.9996752330 0.9986386791 0.004069867438
P16 30 0.5738965234 0.6818063175 0.6518921533 0.6224444721 0.5832645241 0.07799562985
P17 30 0.5301597907 0.6375784211 0.6160909893 0.5799998751 0.5396638371 0.08593119858
P18 30 0.9278004431 0.9603106229 0.9555752303 0.9543060917 0.9352984935 0.02777478718
P19 30 0.9071918001 0.9468592934 0.9394693222 0.9374503754 0.9150850704 0.03227752216
P20 30 0.8746885225 0.9127214584 0.9024308258 0.8996467968 0.8805018370 0.02774230335
P21 30 0.9194916566 0.9493366303 0.9403931167 0.9391206494 0.9241966532 0.02090146009
P22 30 0.8488752841 0.8985544026 0.8780253589 0.8743630319 0.8542488078 0.02915007481
"""

# 5 agents, AHT 120 s, patience 180 s: callers ahead | QL, QL_M, QL_S, deviation, 90 per cent quantile
PLACES = """
0 24.00000000 24.00000000 21.17647059 24.00000000 55.26204223
1 48.00000000 45.17647059 40.12383901 32.00691967 87.91298248
2 72.00000000 64.12383901 57.26669615 37.19469958 113.9381686
3 96.00000000 81.26669615 72.91887007 40.95513677 136.0920181
4 120.0000000 96.91887007 87.31887007 43.84419889 155.5387678
5 144.0000000 111.3188701 100.6522034 46.14838866 172.9350176
"""

# Harburg's Monday peak, 83 calls/h of 90 s: agents | Erlang C: all busy, > 20 s, > 30 s |
# share to a partner: when all busy | after 20 s, after 30 s with patience 180 s | the same if nobody gives up
TO_THE_PARTNER = """
3 0.480187 0.390965 0.352779 0.221686 0.144969 0.116545 0.165228 0.143881
4 0.192871 0.125744 0.101530 0.103139 0.0566356 0.0415165 0.0647370 0.0515780
5 0.0681783 0.0355922 0.0257163 0.0410457 0.0184637 0.0122055 0.0211336 0.0152064
6 0.0212384 0.00887813 0.00574012 0.0139963 0.00508701 0.00301692 0.00582566 0.00376246
"""


Row = tuple[float, ...]


def read(table: str) -> dict[str, Row]:
    """Rows of a table by their first column."""
    lines = [line.split() for line in table.split("\n") if line]
    return {name: tuple(math.nan if x == "unstable" else float(x) for x in rest) for name, *rest in lines}


def each(table: str) -> pytest.MarkDecorator:
    """Run a test once for every row."""
    return pytest.mark.parametrize(("name", "row"), [pytest.param(*item, id=item[0]) for item in read(table).items()])


SYSTEMS = {name: (int(n), calls * aht / 3600, aht) for name, (calls, aht, n, *_) in read(WITHOUT_PATIENCE).items()}
PATIENCE = {name: row[1] for name, row in read(WITH_PATIENCE).items()}


def near(value: float, rel: float = PRINTED) -> object:
    return pytest.approx(value, rel=rel, abs=0)


# ---------------------------------------------------------------- the tables


@each(WITHOUT_PATIENCE)
def test_erlang_b_and_c(name: str, row: Row) -> None:
    calls, aht, agents, within, load, b, c, asa, level, in_line = row
    n = int(agents)
    erlang = calls * aht / 3600
    assert erlang == near(load)
    assert q.erlang_b(n, erlang) == near(b)
    # From 100 per cent load on the line grows for ever: everybody waits, nobody is answered in time.
    assert q.erlang_c(n, erlang) == (1.0 if math.isnan(c) else near(c))
    assert q.erlang_c_asa(n, erlang, aht) == near(asa)
    assert q.erlang_c_service_level(n, erlang, aht, within) == near(level)
    assert q.erlang_c_queue_length(n, erlang) == near(in_line)


@each(WITH_PATIENCE)
def test_erlang_a(name: str, row: Row) -> None:
    agents, patience, _, wait, abandon, mean, served, gone, occupancy = row
    n, erlang, aht = SYSTEMS[name]
    assert n == agents
    a = q.erlang_a(n, erlang, aht, patience)
    assert a.p_wait == near(wait)
    assert a.p_abandon == near(abandon)
    assert a.wait_s == near(mean)
    assert a.wait_served_s == near(served)
    assert a.wait_abandoned_s == near(gone)
    assert a.occupancy == near(occupancy)
    assert a.queue_length == near(erlang / aht * mean), "Little"


@each(SERVICE_LEVELS)
def test_one_system_five_service_levels(name: str, row: Row) -> None:
    within, sl1, sl2, sl3, sl4, sl5, gone = row
    a = q.erlang_a(*SYSTEMS[name], PATIENCE[name])
    assert a.strict(within) == near(sl1)
    assert a.served_only(within) == near(sl2)
    assert a.abandons_count(within) == near(sl3)
    assert a.late_abandons_only(within) == near(sl4)
    assert a.short_abandons_excluded(within) == near(sl5)
    assert a.abandoned_within(within) == near(gone)


@each(PLACES)
def test_what_a_place_in_the_line_means(name: str, row: Row) -> None:
    mean, mean_m, mean_s, sd, p90 = row
    j = int(name)
    assert q.ql(j, 5, 120) == near(mean)
    assert q.ql_m(j, 5, 120, 180) == near(mean_m)
    assert q.ql_s(j, 5, 120, 180) == near(mean_s)
    assert q.ql_m_sd(j, 5, 120, 180) == near(sd)
    assert q.ql_m_quantile(0.9, j, 5, 120, 180) == near(p90)
    assert q.ql_m_beyond(p90, j, 5, 120, 180) == near(0.1, rel=1e-8)


def test_ninety_agents_and_thirty_places_to_wait() -> None:
    room = q.finite_room(90, 84, 600, 30)
    assert room.p_blocked == near(0.003643076071)
    assert room.p_wait == near(0.3783222584)
    assert room.p_all_busy == near(0.3819653345)
    assert room.queue_length == near(3.766419668)
    assert room.wait_joined_s == near(27.00136566)
    assert room.served_within(30) == near(0.7329222773)
    assert room.occupancy == near(0.9299331290)


@pytest.mark.parametrize(
    ("load", "blocked", "mean", "within_30"),
    [(77.4, 0.0001676626243, 4.966099275, 0.9423375570), (90.0, 0.02349219240, 74.57779229, 0.3865375151)],
)
def test_the_same_room_with_other_loads(load: float, blocked: float, mean: float, within_30: float) -> None:
    room = q.finite_room(90, load, 600, 30)
    assert room.p_blocked == near(blocked)
    assert room.wait_joined_s == near(mean)
    assert room.served_within(30) == near(within_30)


def test_the_partner_takes_over_when_four_wait() -> None:
    room = q.finite_room(5, 5, 120, 4, 180)
    assert room.p_blocked == near(0.05489387764)
    assert room.p_wait == near(0.5204362486)
    assert room.p_abandon == near(0.1142703487)
    assert room.queue_length == near(0.8570276150)
    assert room.wait_joined_s == near(21.76333670)


def test_the_partner_takes_over_after_twenty_seconds() -> None:
    home = q.overflow_after(5, 5, 120, 20, 180)
    assert home.p_wait == near(0.4145169977)
    assert home.p_overflow == near(0.1995880970)
    assert home.p_abandon == near(0.03363489623)
    assert home.p_served == near(0.7667770068)
    assert home.wait_s == near(6.054281322)


@each(TO_THE_PARTNER)
def test_harburg_to_oldenburg(name: str, row: Row) -> None:
    """Printed with six digits."""
    busy, c20, c30, b, after_20, after_30, patient_20, patient_30 = row
    n, erlang = int(name), 83 * 90 / 3600
    assert q.erlang_c(n, erlang) == near(busy, 5e-6)
    assert 1 - q.erlang_c_service_level(n, erlang, 90, 20) == near(c20, 5e-6)
    assert 1 - q.erlang_c_service_level(n, erlang, 90, 30) == near(c30, 5e-6)
    assert q.finite_room(n, erlang, 90, 0).p_blocked == near(b, 5e-6)
    for after, patience, share in (
        (20, 180.0, after_20),
        (30, 180.0, after_30),
        (20, math.inf, patient_20),
        (30, math.inf, patient_30),
    ):
        assert q.overflow_after(n, erlang, 90, after, patience).p_overflow == near(share, 5e-6)


# ---------------------------------------------------------------- where careless formulas break


def test_deep_overload_ends_with_the_right_figures() -> None:
    """Three hundred agents, five times as many calls as they can take: the sums pass 10 to the 3000."""
    begun = time.process_time()
    a = q.erlang_a(300, 1500, 60, 600)
    assert a.p_wait == pytest.approx(1)
    assert a.p_abandon == pytest.approx(1 - 1 / 5)
    assert a.wait_s == pytest.approx(600 * (1 - 1 / 5))
    # Of those who came together, patience leaves one in five after ln 5 patiences: their turn.
    assert a.wait_served_s == pytest.approx(600 * math.log(5), rel=1e-3)
    both = a.p_abandon * a.wait_abandoned_s + (1 - a.p_abandon) * a.wait_served_s
    assert both == pytest.approx(a.wait_s)
    assert a.strict(30) == 0
    assert a.strict(1200) == pytest.approx(1 / 5)
    assert a.abandoned_within(30) == pytest.approx(1 - math.exp(-30 / 600))
    home = q.overflow_after(300, 1500, 60, 100, 600)
    assert home.p_served == pytest.approx(1 / 5)
    assert home.p_served + home.p_overflow + home.p_abandon == pytest.approx(1)
    assert q.finite_room(300, 1500, 60, 1000).p_blocked == pytest.approx(1 - 1 / 5)
    assert time.process_time() - begun < 1


def test_a_thousand_agents_take_milliseconds() -> None:
    """And more than 170, where factorials end."""
    begun = time.process_time()
    a = q.erlang_a(1000, 980, 180, 300)
    a.short_abandons_excluded(20)
    assert time.process_time() - begun < 0.05


def test_hardly_any_calls_for_a_thousand_agents() -> None:
    """1/B overflows here."""
    assert q.erlang_b(1000, 0.01) == 0
    a = q.erlang_a(1000, 0.01, 180, 180)
    assert (a.p_wait, a.p_abandon, a.wait_s) == (0, 0, 0)
    assert a.strict(0) == a.strict(30) == 1
    assert a.wait_abandoned_s > 0


def test_nobody_calls() -> None:
    assert q.erlang_b(3, 0) == 0
    assert q.erlang_b(0, 0) == q.erlang_b(0, 2.5) == 1
    assert q.erlang_c(3, 0) == q.erlang_c_asa(3, 0, 60) == q.erlang_c_queue_length(3, 0) == 0
    assert q.erlang_c_service_level(3, 0, 60, 0) == 1


def test_quantile_of_the_published_fifty_agents() -> None:
    """Gans, Koole & Mandelbaum 2003: 58.1 s."""
    p90 = q.erlang_c_quantile(50, 48, 60, 0.9)
    assert p90 == pytest.approx(58.1387, rel=1e-5)
    assert q.erlang_c_service_level(50, 48, 60, p90) == near(0.9)
    assert q.erlang_c_quantile(50, 20, 60, 0.9) == 0
    assert q.erlang_c_quantile(50, 50, 60, 0.9) == math.inf


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: q.erlang_b(-1, 1),
        lambda: q.erlang_b(1, -1),
        lambda: q.erlang_c(0, 1),
        lambda: q.erlang_c(3, -1),
        lambda: q.erlang_c_asa(1, 0.5, 0),
        lambda: q.erlang_c_service_level(1, 0.5, 60, -1),
        lambda: q.erlang_c_quantile(1, 0.5, 60, 1),
        lambda: q.erlang_a(0, 1, 60, 60),
        lambda: q.erlang_a(1, 0, 60, 60),
        lambda: q.erlang_a(1, 1, 60, math.inf),
        lambda: q.erlang_a(1, 1, 60, 60).strict(-1),
        lambda: q.erlang_a(1, 1, 60, 60).abandoned_within(-1),
        lambda: q.finite_room(1, 1, 60, -1),
        lambda: q.finite_room(1, 1, 60, 1, 0),
        lambda: q.finite_room(1, 1, 60, 1).served_within(-1),
        lambda: q.overflow_after(1, 1, 60, math.inf),
        lambda: q.overflow_after(1, 1, 60, 20, 0),
        lambda: q.ql(-1, 1, 60),
        lambda: q.ql_m(0, 0, 60, 60),
        lambda: q.ql_s(0, 1, math.nan, 60),
        lambda: q.ql_m_quantile(0, 0, 1, 60, 60),
    ],
)
def test_nonsense_is_refused(nonsense: Callable[[], float]) -> None:
    with pytest.raises(ValueError, match="not"):
        nonsense()


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the load and the patience of a saint: more would wait than can be summed."""
    monkeypatch.setattr(q, "LONGEST_LINE", 1000)
    with pytest.raises(ValueError, match="is a patience of 1000000"):
        q.erlang_a(2, 4, 60, 1_000_000)


# ---------------------------------------------------------------- what must hold whatever the figures

LOADS = st.floats(0.05, 30)
AGENTS = st.integers(1, 25)
SECONDS = st.floats(5, 900)


@settings(max_examples=50, deadline=None)
@given(AGENTS, LOADS, SECONDS, SECONDS, SECONDS)
def test_every_caller_ends_in_one_way(agents: int, load: float, aht: float, patience: float, after: float) -> None:
    a = q.erlang_a(agents, load, aht, patience)
    assert a.p_abandon == pytest.approx(a.wait_s / patience, rel=1e-9)
    both = (1 - a.p_abandon) * a.wait_served_s + a.p_abandon * a.wait_abandoned_s
    assert both == pytest.approx(a.wait_s, rel=1e-9), "the served and the gone make up all"
    assert a.strict(0) == pytest.approx(1 - a.p_wait, abs=1e-12)
    assert a.strict(math.inf) == pytest.approx(1 - a.p_abandon, rel=1e-9)
    assert a.abandoned_within(math.inf) == pytest.approx(a.p_abandon, rel=1e-9, abs=1e-15)
    assert a.strict(after) <= a.strict(2 * after) + 1e-12
    home = q.overflow_after(agents, load, aht, after, patience)
    assert home.p_served + home.p_abandon + home.p_overflow == pytest.approx(1, abs=1e-9)
    assert home.p_wait <= a.p_wait + 1e-12, "whom the partner took is in nobody's way"


@settings(max_examples=30, deadline=None)
@given(AGENTS, st.floats(0.05, 0.9), SECONDS, SECONDS)
def test_the_models_meet_where_they_should(agents: int, rho: float, aht: float, within: float) -> None:
    load = agents * rho
    c = q.erlang_c(agents, load)
    level = q.erlang_c_service_level(agents, load, aht, within)
    patient = q.erlang_a(agents, load, aht, 1e9)
    assert patient.p_wait == pytest.approx(c, rel=1e-4)
    assert patient.strict(within) == pytest.approx(level, rel=1e-4)
    assert patient.wait_s == pytest.approx(q.erlang_c_asa(agents, load, aht), rel=1e-3)
    hall = q.finite_room(agents, load, aht, 350)
    assert hall.p_wait == pytest.approx(c, rel=1e-9)
    never = q.overflow_after(agents, load, aht, 30 * aht / (agents - load), math.inf)
    assert never.p_wait == pytest.approx(c, rel=1e-9)
    assert never.wait_s == pytest.approx(q.erlang_c_asa(agents, load, aht), rel=1e-9)
    at_once = q.overflow_after(agents, load, aht, 0)
    assert at_once.p_overflow == pytest.approx(q.erlang_b(agents, load), rel=1e-9)
    room = q.finite_room(agents, load, aht, 150, 300)
    a = q.erlang_a(agents, load, aht, 300)
    assert room.p_wait == pytest.approx(a.p_wait, rel=1e-9)
    assert room.occupancy == pytest.approx(a.occupancy, rel=1e-9)
    assert room.served_within(within) == pytest.approx(a.strict(within), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 400),
    st.floats(0.1, 60),
    SECONDS,
    st.one_of(SECONDS, st.just(math.inf)),
    st.floats(0.01, 0.99),
)
def test_the_quantile_is_one(ahead: int, agents: float, aht: float, patience: float, share: float) -> None:
    wait = q.ql_m_quantile(share, ahead, agents, aht, patience)
    assert q.ql_m_beyond(wait, ahead, agents, aht, patience) == pytest.approx(1 - share, rel=1e-6)
    assert q.ql_m_quantile(share, ahead + 1, agents, aht, patience) > wait
    low, high = 0.0, 1e8
    while high - low > 0.05:
        middle = (low + high) / 2
        low, high = (middle, high) if q.ql_m_beyond(middle, ahead, agents, aht, patience) > 1 - share else (low, middle)
    assert abs(wait - low) < 0.1
    assert (
        q.ql_s(ahead, agents, aht, patience)
        <= q.ql_m(ahead, agents, aht, patience)
        <= q.ql(ahead, agents, aht) * (1 + 1e-12)
    )


@pytest.mark.parametrize("patience", [600.0, math.inf])
def test_three_thousand_ahead(patience: float) -> None:
    """The sum passes 10 to the 300 on its way; it is as good as normal by then."""
    wait = q.ql_m_quantile(0.9, 3000, 100, 60, patience)
    normal = q.ql_m(3000, 100, 60, patience) + 1.28155 * q.ql_m_sd(3000, 100, 60, patience)
    assert wait == pytest.approx(normal, rel=0.001)


@pytest.mark.parametrize(("ahead", "agents", "aht", "patience"), [(0, 4, 60, 120), (3, 2.5, 90, 45), (12, 7, 300, 200)])
def test_the_tail_is_that_of_the_stages(ahead: int, agents: float, aht: float, patience: float) -> None:
    """The closed form against dice: a stage ends when an agent is free or one of those ahead has enough."""
    dice = random.Random(7)
    rates = [agents / aht + i / patience for i in range(ahead + 1)]
    waits = sorted(sum(dice.expovariate(rate) for rate in rates) for _ in range(4000))
    for share in (0.1, 0.5, 0.9):
        wait = waits[int(share * len(waits))]
        spread = math.sqrt(share * (1 - share) / len(waits))
        assert q.ql_m_beyond(wait, ahead, agents, aht, patience) == pytest.approx(1 - share, abs=4 * spread)
    assert q.ql_m_beyond(0, ahead, agents, aht, patience) == 1
