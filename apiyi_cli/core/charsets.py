"""Guesses a text's encoding, if not UTF-8, by how common its characters are.

Each candidate reads the bytes; the one whose reading has the most ordinary characters wins.
Ordinary are the most frequent characters of a script, and the standards' own lists of common
ones (level 1 of GB 2312, Big5 and JIS X 0208, the syllables of KS X 1001).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Final, NamedTuple

ENOUGH: Final = 0.4
"""The score, at most 1, from which decoded bytes count as text."""

_SIMPLIFIED: Final = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过"
    "发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本"
    "前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很"
    "最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度"
    "门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电"
    "数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马"
    "科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万"
    "取拉格望觉术领共确传师观清今切院让识候带导争运笔号编请您吗呢吧啊评价评论商店内容标题姓名电话"
    "地址备注客户订单产品价格数量描述翻译写一首诗谢好坏苹果红绿蓝黄店买卖钱块元货快慢服务态度质量"
    "线风语早晚昨喜欢爱吃饭喝茶酒房车票包衣鞋"
)
_TRADITIONAL: Final = frozenset(
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過"
    "發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本"
    "前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很"
    "最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西月話合回特代內信表化老給世位次度門"
    "任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活更別打女變四神總何電數安"
    "少報才結反受目太量再感建務做接必場件計管期市直資命山金指許統區保至隊形社便空決治展馬科書非則"
    "聽白卻界達光放強即像難且權思完設式色路記南品住告類求據程北邊該交規萬取望覺術領共確傳師觀清今"
    "院讓識候帶導爭運臺灣請您嗎呢吧號編標題電話評價客戶訂單謝歡喜愛買賣錢"
)
_JAPANESE: Final = frozenset("日本人大年一国中出会上生東方時分間行見月後前新事小者学")
_KOREAN: Final = frozenset(
    "이다는의에을가고하지한를로기사도서은어대시자그나일인리있해정수들아과보적부게만구라전것원제성상"
    "여주스와장으유조공연국세동안면신우실비까없니요할선않중계러물말생미당거등더했때개내모치경된발문"
)
_PUNCTUATION: Final = frozenset("，。、；：？！（）《》「」『』“”‘’…—·　０１２３４５６７８９")
_ACCENTED: Final = frozenset("àâäáãåæçéèêëíìîïñóòôöõøœúùûüßÀÂÄÁÉÈÊÍÓÖÜÚÇÑØÅ€£°§«»–—‘’“”…®©·²³")

Weigh = Callable[[str, bytes], float]


class _Candidate(NamedTuple):
    """An encoding: its name for people and iconv, Python's codec, the weight of a character.

    `mixed` finds what its texts do not have.
    """

    name: str
    codec: str
    weigh: Weigh
    mixed: re.Pattern[str] | None = None


def guess_encoding(sample: bytes) -> str | None:
    """Return the name of the most plausible encoding of a text, None if none is.

    `sample` may begin and end within a character. The name is one that iconv takes, too.
    """
    # A long sample may have been cut within a character, a whole text cannot be.
    wide = guess_wide_encoding(sample if len(sample) < 1024 else sample[: len(sample) & ~3])
    if wide is not None:
        return wide
    text = sample.decode("utf-8", "replace")
    if 2 * text.count("\ufffd") <= sum(char > "\x7f" for char in text):
        # UTF-8 with some bytes that belong to nothing; no other text is so much like it.
        return None
    scores = {charset.name: _score(sample, charset) for charset in _CANDIDATES}
    name = max(scores, key=scores.__getitem__)
    return name if scores[name] >= ENOUGH else None


def guess_wide_encoding(sample: bytes) -> str | None:
    """Return UTF-16 or UTF-32 for a text without a mark, if every character is common."""
    best, chosen = ENOUGH, None
    for name, codec, unit in _WIDE:
        if len(sample) % unit:
            # A text in it has whole characters; a sample of a longer one is even.
            continue
        try:
            text = codecs.getincrementaldecoder(codec)().decode(sample)
        except UnicodeDecodeError:
            continue
        score = sum(map(_weigh_wide, text)) / len(text) if text else 0.0
        if score > best:
            best, chosen = score, name
    return chosen


def _score(sample: bytes, candidate: _Candidate) -> float:
    """Return the mean weight of non-ASCII characters, -1 if it cannot be read."""
    decoder = codecs.getincrementaldecoder(candidate.codec)()
    for start in range(min(4, len(sample))):
        # The sample may begin within a character.
        decoder.reset()
        try:
            text = decoder.decode(sample[start:])
            break
        except UnicodeDecodeError:
            continue
    else:
        return -1.0
    weights = [_weight(candidate, char) for char in text if ord(char) > 0x7F]
    odd = len(candidate.mixed.findall(text)) if candidate.mixed is not None else 0
    return (sum(weights) - odd) / len(weights) if weights else -1.0


def _weight(candidate: _Candidate, char: str) -> float:
    if _is_odd(char):
        return -2.0
    try:
        return candidate.weigh(char, char.encode(candidate.codec))
    except UnicodeEncodeError:
        return -1.0


def _is_odd(char: str) -> bool:
    """Return True for control characters and unassigned code points."""
    code = ord(char)
    return 0x7F <= code < 0xA0 or 0xE000 <= code < 0xF900 or 0xFFF0 <= code < 0x10000


def _weigh_wide(char: str) -> float:
    code = ord(char)
    if char in "\t\n\r" or 0x20 <= code < 0x7F:
        return 1.0
    if char in _SIMPLIFIED or char in _TRADITIONAL or char in _KOREAN or char in _PUNCTUATION:
        return 1.0
    if 0x3040 <= code < 0x3100 or char in _ACCENTED or 0x410 <= code < 0x450:
        return 1.0
    if 0x4E00 <= code < 0xA000 or 0xAC00 <= code < 0xD7A4:
        return 0.3
    return -1.0 if _is_odd(char) or code < 0x20 else -0.3


def _weigh_chinese(char: str, coded: bytes) -> float:
    if char in _SIMPLIFIED or char in _PUNCTUATION:
        return 1.0
    if len(coded) == 2 and 0xB0 <= coded[0] <= 0xD7 and coded[1] >= 0xA1:
        return 0.6
    # Level 2 of GB 2312, its signs, and the traditional forms that GBK adds.
    if char in _TRADITIONAL:
        return 0.5
    return 0.2 if len(coded) == 2 and coded[1] >= 0xA1 and coded[0] >= 0xA1 else 0.0


def _weigh_big5(char: str, coded: bytes) -> float:
    if char in _TRADITIONAL or char in _PUNCTUATION:
        return 1.0
    return 0.6 if len(coded) == 2 and 0xA4 <= coded[0] <= 0xC6 else 0.1


def _weigh_japanese(char: str, coded: bytes) -> float:
    code = ord(char)
    if 0x3040 <= code < 0x3100 or char in _JAPANESE or char in _PUNCTUATION:
        return 1.0
    if 0xFF61 <= code < 0xFFA0:
        # Half-width katakana is what other double-byte texts look like in Shift_JIS.
        return -0.5
    level_1 = (0x88, 0x97) if coded[:1] < b"\xa0" else (0xB0, 0xCF)
    return 0.5 if len(coded) == 2 and level_1[0] <= coded[0] <= level_1[1] else 0.0


def _weigh_korean(char: str, coded: bytes) -> float:
    if char in _KOREAN or char in _PUNCTUATION:
        return 1.0
    return 0.45 if 0xAC00 <= ord(char) < 0xD7A4 and coded[1:] >= b"\xa1" else 0.0


def _weigh_western(char: str, coded: bytes) -> float:
    return 0.7 if char in _ACCENTED else 0.1


def _weigh_cyrillic(char: str, coded: bytes) -> float:
    code = ord(char)
    if 0x430 <= code < 0x450 or char in "ёіїєґ":
        return 0.75
    return 0.3 if 0x410 <= code < 0x430 else 0.0


_TWO_SCRIPTS: Final = re.compile("[A-Za-z](?=[\u0400-\u04ff])|[\u0400-\u04ff](?=[A-Za-z])")
_WIDE: Final = (
    ("UTF-32LE", "utf-32-le", 4),
    ("UTF-32BE", "utf-32-be", 4),
    ("UTF-16LE", "utf-16-le", 2),
    ("UTF-16BE", "utf-16-be", 2),
)
_CANDIDATES: Final = (
    _Candidate("GB18030", "gb18030", _weigh_chinese),
    _Candidate("Big5", "big5hkscs", _weigh_big5),
    _Candidate("Shift_JIS", "cp932", _weigh_japanese),
    _Candidate("EUC-JP", "euc_jp", _weigh_japanese),
    _Candidate("EUC-KR", "cp949", _weigh_korean),
    _Candidate("windows-1252", "cp1252", _weigh_western),
    _Candidate("windows-1251", "cp1251", _weigh_cyrillic, _TWO_SCRIPTS),
    _Candidate("KOI8-R", "koi8_r", _weigh_cyrillic, _TWO_SCRIPTS),
)
