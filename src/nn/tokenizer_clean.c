/* tokenizer_clean.c - see tokenizer_clean.h. */
#include "nn/tokenizer_clean.h"

#include "nn/unicode.h"

#include <stdbool.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- tables */

typedef struct entity {
    const char *name;
    uint32_t code;
} entity;

/* HTML 4's, sorted. Those of Latin-1 are also known without their semicolon, as HTML 5 has it. */
/* clang-format off */
static const entity entities[] = {
    {"AElig", 198}, {"Aacute", 193}, {"Acirc", 194}, {"Agrave", 192}, {"Alpha", 913}, {"Aring", 197}, {"Atilde", 195},
    {"Auml", 196}, {"Beta", 914}, {"Ccedil", 199}, {"Chi", 935}, {"Dagger", 8225}, {"Delta", 916}, {"ETH", 208},
    {"Eacute", 201}, {"Ecirc", 202}, {"Egrave", 200}, {"Epsilon", 917}, {"Eta", 919}, {"Euml", 203}, {"Gamma", 915},
    {"Iacute", 205}, {"Icirc", 206}, {"Igrave", 204}, {"Iota", 921}, {"Iuml", 207}, {"Kappa", 922}, {"Lambda", 923},
    {"Mu", 924}, {"Ntilde", 209}, {"Nu", 925}, {"OElig", 338}, {"Oacute", 211}, {"Ocirc", 212}, {"Ograve", 210},
    {"Omega", 937}, {"Omicron", 927}, {"Oslash", 216}, {"Otilde", 213}, {"Ouml", 214}, {"Phi", 934}, {"Pi", 928},
    {"Prime", 8243}, {"Psi", 936}, {"Rho", 929}, {"Scaron", 352}, {"Sigma", 931}, {"THORN", 222}, {"Tau", 932},
    {"Theta", 920}, {"Uacute", 218}, {"Ucirc", 219}, {"Ugrave", 217}, {"Upsilon", 933}, {"Uuml", 220}, {"Xi", 926},
    {"Yacute", 221}, {"Yuml", 376}, {"Zeta", 918}, {"aacute", 225}, {"acirc", 226}, {"acute", 180}, {"aelig", 230},
    {"agrave", 224}, {"alefsym", 8501}, {"alpha", 945}, {"amp", 38}, {"and", 8743}, {"ang", 8736}, {"aring", 229},
    {"asymp", 8776}, {"atilde", 227}, {"auml", 228}, {"bdquo", 8222}, {"beta", 946}, {"brvbar", 166}, {"bull", 8226},
    {"cap", 8745}, {"ccedil", 231}, {"cedil", 184}, {"cent", 162}, {"chi", 967}, {"circ", 710}, {"clubs", 9827},
    {"cong", 8773}, {"copy", 169}, {"crarr", 8629}, {"cup", 8746}, {"curren", 164}, {"dArr", 8659}, {"dagger", 8224},
    {"darr", 8595}, {"deg", 176}, {"delta", 948}, {"diams", 9830}, {"divide", 247}, {"eacute", 233}, {"ecirc", 234},
    {"egrave", 232}, {"empty", 8709}, {"emsp", 8195}, {"ensp", 8194}, {"epsilon", 949}, {"equiv", 8801}, {"eta", 951},
    {"eth", 240}, {"euml", 235}, {"euro", 8364}, {"exist", 8707}, {"fnof", 402}, {"forall", 8704}, {"frac12", 189},
    {"frac14", 188}, {"frac34", 190}, {"frasl", 8260}, {"gamma", 947}, {"ge", 8805}, {"gt", 62}, {"hArr", 8660},
    {"harr", 8596}, {"hearts", 9829}, {"hellip", 8230}, {"iacute", 237}, {"icirc", 238}, {"iexcl", 161},
    {"igrave", 236}, {"image", 8465}, {"infin", 8734}, {"int", 8747}, {"iota", 953}, {"iquest", 191}, {"isin", 8712},
    {"iuml", 239}, {"kappa", 954}, {"lArr", 8656}, {"lambda", 955}, {"lang", 9001}, {"laquo", 171}, {"larr", 8592},
    {"lceil", 8968}, {"ldquo", 8220}, {"le", 8804}, {"lfloor", 8970}, {"lowast", 8727}, {"loz", 9674}, {"lrm", 8206},
    {"lsaquo", 8249}, {"lsquo", 8216}, {"lt", 60}, {"macr", 175}, {"mdash", 8212}, {"micro", 181}, {"middot", 183},
    {"minus", 8722}, {"mu", 956}, {"nabla", 8711}, {"nbsp", 160}, {"ndash", 8211}, {"ne", 8800}, {"ni", 8715},
    {"not", 172}, {"notin", 8713}, {"nsub", 8836}, {"ntilde", 241}, {"nu", 957}, {"oacute", 243}, {"ocirc", 244},
    {"oelig", 339}, {"ograve", 242}, {"oline", 8254}, {"omega", 969}, {"omicron", 959}, {"oplus", 8853}, {"or", 8744},
    {"ordf", 170}, {"ordm", 186}, {"oslash", 248}, {"otilde", 245}, {"otimes", 8855}, {"ouml", 246}, {"para", 182},
    {"part", 8706}, {"permil", 8240}, {"perp", 8869}, {"phi", 966}, {"pi", 960}, {"piv", 982}, {"plusmn", 177},
    {"pound", 163}, {"prime", 8242}, {"prod", 8719}, {"prop", 8733}, {"psi", 968}, {"quot", 34}, {"rArr", 8658},
    {"radic", 8730}, {"rang", 9002}, {"raquo", 187}, {"rarr", 8594}, {"rceil", 8969}, {"rdquo", 8221}, {"real", 8476},
    {"reg", 174}, {"rfloor", 8971}, {"rho", 961}, {"rlm", 8207}, {"rsaquo", 8250}, {"rsquo", 8217}, {"sbquo", 8218},
    {"scaron", 353}, {"sdot", 8901}, {"sect", 167}, {"shy", 173}, {"sigma", 963}, {"sigmaf", 962}, {"sim", 8764},
    {"spades", 9824}, {"sub", 8834}, {"sube", 8838}, {"sum", 8721}, {"sup", 8835}, {"sup1", 185}, {"sup2", 178},
    {"sup3", 179}, {"supe", 8839}, {"szlig", 223}, {"tau", 964}, {"there4", 8756}, {"theta", 952}, {"thetasym", 977},
    {"thinsp", 8201}, {"thorn", 254}, {"tilde", 732}, {"times", 215}, {"trade", 8482}, {"uArr", 8657},
    {"uacute", 250}, {"uarr", 8593}, {"ucirc", 251}, {"ugrave", 249}, {"uml", 168}, {"upsih", 978}, {"upsilon", 965},
    {"uuml", 252}, {"weierp", 8472}, {"xi", 958}, {"yacute", 253}, {"yen", 165}, {"yuml", 255}, {"zeta", 950},
    {"zwj", 8205}, {"zwnj", 8204},
};

/* What windows-1252 has where Latin-1 has controls: U+0080 .. U+009F, also as numbers of entities. */
static const uint16_t windows_1252[] = {
    0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D, 0x17D,
    0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D,
    0x17E, 0x178,
};

/* Of full and half width, U+FF5F .. U+FF9F; those before are ASCII's. */
static const uint16_t half_width[] = {
    0x2985, 0x2986, 0x3002, 0x300C, 0x300D, 0x3001, 0x30FB, 0x30F2, 0x30A1, 0x30A3, 0x30A5, 0x30A7, 0x30A9, 0x30E3,
    0x30E5, 0x30E7, 0x30C3, 0x30FC, 0x30A2, 0x30A4, 0x30A6, 0x30A8, 0x30AA, 0x30AB, 0x30AD, 0x30AF, 0x30B1, 0x30B3,
    0x30B5, 0x30B7, 0x30B9, 0x30BB, 0x30BD, 0x30BF, 0x30C1, 0x30C4, 0x30C6, 0x30C8, 0x30CA, 0x30CB, 0x30CC, 0x30CD,
    0x30CE, 0x30CF, 0x30D2, 0x30D5, 0x30D8, 0x30DB, 0x30DE, 0x30DF, 0x30E0, 0x30E1, 0x30E2, 0x30E4, 0x30E6, 0x30E8,
    0x30E9, 0x30EA, 0x30EB, 0x30EC, 0x30ED, 0x30EF, 0x30F3, 0x3099, 0x309A,
};
/* clang-format on */

/* U+FFE0 .. U+FFE6 */
static const uint16_t wide_signs[] = {0xA2, 0xA3, 0xAC, 0xAF, 0xA6, 0xA5, 0x20A9};

typedef struct ligature {
    uint32_t code;
    uint16_t parts[3]; /* 0 where there are fewer */
} ligature;

static const ligature ligatures[] = {
    {0x132, {'I', 'J', 0}},    {0x133, {'i', 'j', 0}},   {0x149, {0x2BC, 'n', 0}},  {0x1C4, {'D', 0x17D, 0}},
    {0x1C5, {'D', 0x17E, 0}},  {0x1C6, {'d', 0x17E, 0}}, {0x1C7, {'L', 'J', 0}},    {0x1C8, {'L', 'j', 0}},
    {0x1C9, {'l', 'j', 0}},    {0x1CA, {'N', 'J', 0}},   {0x1CB, {'N', 'j', 0}},    {0x1CC, {'n', 'j', 0}},
    {0x1F1, {'D', 'Z', 0}},    {0x1F2, {'D', 'z', 0}},   {0x1F3, {'d', 'z', 0}},    {0xFB00, {'f', 'f', 0}},
    {0xFB01, {'f', 'i', 0}},   {0xFB02, {'f', 'l', 0}},  {0xFB03, {'f', 'f', 'i'}}, {0xFB04, {'f', 'f', 'l'}},
    {0xFB05, {0x17F, 't', 0}}, {0xFB06, {'s', 't', 0}},
};

/* ------------------------------------------------------------------------------------------------- entities */

/* A name or number is at most this many code points; HTML's longest here has 8. */
#define ENTITY_MAX 12

static bool is_alphanumeric(uint32_t c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* What a number in an entity stands for. */
static uint32_t numbered(uint32_t number) {
    if (number >= 0x80 && number <= 0x9F) {
        return windows_1252[number - 0x80];
    }
    bool wrong = number == 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF);
    return wrong ? 0xFFFD : number;
}

static int digit(uint32_t c, uint32_t base) {
    int value = c >= '0' && c <= '9' ? (int)(c - '0') : c >= 'a' && c <= 'f' ? (int)(c - 'a') + 10 : -1;
    return value < (int)base ? value : -1;
}

/* "&#38;", "&#x26;": code points that it takes from text, 0 for none. */
static size_t number_at(const uint32_t *text, size_t count, bool strict, uint32_t *code) {
    size_t at = 2;
    bool hexadecimal = at < count && (text[at] | 0x20) == 'x';
    uint32_t base = hexadecimal ? 16 : 10;
    at += hexadecimal ? 1 : 0;
    size_t first = at;
    uint32_t number = 0;
    while (at < count && text[at] < 0x80 && digit(text[at] | 0x20, base) >= 0) {
        uint32_t next = number * base + (uint32_t)digit(text[at] | 0x20, base);
        number = number > 0x10FFFF ? number : next; /* stays too large */
        at++;
    }
    bool ended = at < count && text[at] == ';';
    if (at == first || (strict && !ended)) {
        return 0;
    }
    *code = numbered(number);
    return at + (ended ? 1 : 0);
}

/* The longest entity whose name starts at text[1]. */
static size_t name_at(const uint32_t *text, size_t count, bool strict, uint32_t *code) {
    size_t length = 0;
    char name[ENTITY_MAX];
    while (length < ENTITY_MAX && 1 + length < count && is_alphanumeric(text[1 + length])) {
        name[length] = (char)text[1 + length];
        length++;
    }
    bool ended = 1 + length < count && text[1 + length] == ';';
    size_t best = 0;
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        size_t size = strlen(entities[i].name);
        bool whole = ended && size == length;
        bool short_form = !strict && entities[i].code < 256 && size <= length;
        if ((whole || short_form) && memcmp(name, entities[i].name, size) == 0 && size >= best) {
            best = size;
            *code = entities[i].code;
        }
    }
    return best == 0 ? 0 : 1 + best + (ended && best == length ? 1 : 0);
}

/* Replaces entities in place, once. strict: only those that end in a semicolon. */
static size_t unescape(uint32_t *text, size_t count, bool strict) {
    size_t length = 0;
    for (size_t at = 0; at < count;) {
        uint32_t code = text[at];
        size_t taken = 0;
        if (code == '&' && at + 2 < count) {
            taken = text[at + 1] == '#' ? number_at(text + at, count - at, strict, &code)
                                        : name_at(text + at, count - at, strict, &code);
        }
        text[length++] = code;
        at += taken > 0 ? taken : 1;
    }
    return length;
}

/* ------------------------------------------------------------------------------------------------- characters */

static bool is_dropped(uint32_t c) {
    return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || (c >= 0x206A && c <= 0x206F) ||
           c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

/* One code point that stands for another. */
static uint32_t replaced(uint32_t c) {
    if (c >= 0x80 && c <= 0x9F) {
        c = windows_1252[c - 0x80];
    } else if (c == 0x3000 || c == 0x2028 || c == 0x2029) {
        c = ' ';
    } else if (c >= 0xFF01 && c <= 0xFF5E) {
        c -= 0xFF01 - '!';
    } else if (c >= 0xFF5F && c <= 0xFF9F) {
        c = half_width[c - 0xFF5F];
    } else if (c >= 0xFFE0 && c <= 0xFFE6) {
        c = wide_signs[c - 0xFFE0];
    }
    if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) {
        return '\'';
    }
    return c >= 0x201C && c <= 0x201F ? '"' : c;
}

static size_t replace_all(const uint32_t *text, size_t count, uint32_t *out) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        const ligature *found = NULL;
        for (size_t k = 0; k < sizeof ligatures / sizeof *ligatures && text[i] >= ligatures[0].code; k++) {
            found = ligatures[k].code == text[i] ? &ligatures[k] : found;
        }
        for (size_t part = 0; found != NULL && part < 3 && found->parts[part] != 0; part++) {
            out[length++] = replaced(found->parts[part]);
        }
        if (found == NULL && !is_dropped(text[i])) {
            out[length++] = replaced(text[i]);
        }
    }
    return length;
}

static bool has_tag(const uint32_t *text, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (text[i] == '<') {
            return true;
        }
    }
    return false;
}

size_t tokenizer_clean(uint32_t *text, size_t count, uint32_t *scratch) {
    if (!has_tag(text, count)) { /* in a text with tags, ftfy takes entities to be meant */
        count = unescape(text, count, true);
    }
    count = replace_all(text, count, scratch);
    count = unicode_nfc(scratch, count, text);
    count = unescape(text, count, false);
    count = unescape(text, count, false);
    count = unicode_lower(text, count, scratch);
    memcpy(text, scratch, count * sizeof *text);
    return count;
}
