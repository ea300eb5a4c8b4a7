/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/number.h"

#define TEXT_BYTES 1400

static void same_as_strtod(const char *text)
{
    double want = strtod(text, NULL), got = 1234.5;
    const char *end = w_number_parse(text, '.', &got);
    if (!end || *end || memcmp(&want, &got, sizeof want) != 0) {
        fail_msg("%s: strtod %a, here %a", text, want, got);
    }
}

static double random_bits(w_rng *rng)
{
    double value;
    do {
        uint64_t bits = w_rng_next(rng);
        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return value;
}

static void every_bit_pattern_reads_like_strtod(void **state)
{
    (void)state;
    static const char *const formats[] = { "%.17g", "%.15g", "%.16e", "%.20e", "%.3g" };
    char text[TEXT_BYTES];
    w_rng rng;
    w_rng_seed(&rng, 11);
    for (int i = 0; i < 400000; i++) {
        snprintf(text, sizeof text, formats[i % 5], random_bits(&rng));
        same_as_strtod(text);
    }
}

static void decimal_texts_read_like_strtod(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    w_rng rng;
    w_rng_seed(&rng, 12);
    for (int i = 0; i < 600000; i++) {
        unsigned long long a = w_rng_next(&rng) >> w_rng_below(&rng, 64),
                           b = w_rng_next(&rng) >> w_rng_below(&rng, 64);
        switch (i % 4) {
        case 0: snprintf(text, sizeof text, "%llu.%llu", a, b); break;
        case 1: snprintf(text, sizeof text, "-0.000%llu%llu", a, b); break;
        case 2: snprintf(text, sizeof text, "%llue%d", a, (int)w_rng_below(&rng, 700) - 350); break;
        default: snprintf(text, sizeof text, "%llu.%llue%+d", a, b, (int)w_rng_below(&rng, 700) - 350); break;
        }
        same_as_strtod(text);
    }
}

/* Half-way between two neighbours, exactly and a digit beyond: the text has up to 770 digits. */
static void ties_round_to_even_and_a_late_digit_breaks_them(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    w_rng rng;
    w_rng_seed(&rng, 13);
    for (int i = 0; i < 20000; i++) {
        double value = fabs(random_bits(&rng));
        if (i % 4 == 1) {
            value = (double)(w_rng_next(&rng) >> 11);
        } else if (i % 4 == 2) {
            value = ldexp((double)(w_rng_next(&rng) >> 11), -(int)w_rng_below(&rng, 1100));
        }
        if (value >= 0x1p1023) {
            continue;
        }
        long double middle = ((long double)value + (long double)nextafter(value, INFINITY)) / 2;
        snprintf(text, sizeof text, "%.780Le", middle);
        same_as_strtod(text);
        char *mantissa_end = strchr(text, 'e');
        memmove(mantissa_end + 1, mantissa_end, strlen(mantissa_end) + 1);
        *mantissa_end = '1';
        same_as_strtod(text);
    }
}

static void edges_read_like_strtod(void **state)
{
    (void)state;
    static const char *const texts[] = { "0",
                                         "-0",
                                         "+0",
                                         "0.0",
                                         ".5",
                                         "5.",
                                         "+.5e1",
                                         "00012",
                                         "1e0",
                                         "1E+05",
                                         "1e-05",
                                         "9007199254740993",
                                         "9007199254740992",
                                         "1.7976931348623157e308",
                                         "1.7976931348623159e308",
                                         "1e309",
                                         "-1e400",
                                         "1e99999999999999",
                                         "1e-99999999999999",
                                         "4.9406564584124654e-324",
                                         "2.4703282292062327e-324",
                                         "2.4703282292062328e-324",
                                         "2.2250738585072014e-308",
                                         "2.2250738585072011e-308",
                                         "2.2250738585072012e-308",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "9999999999999999999",
                                         "10000000000000000000",
                                         "99999999999999999999",
                                         "0.000000000000000000000000000000000000000000000001",
                                         "0e400",
                                         "123456789012345678901234567890e-20",
                                         "8.5",
                                         "0.1",
                                         "1e22",
                                         "1e23",
                                         "8.442911973260991817129021e-309",
                                         "00000000000000000000000000000000001.5" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[64 + W_NUMBER_SLACK] = { 0 };
        strcpy(text, texts[i]);
        same_as_strtod(text);
    }
}

static void a_number_ends_where_it_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int length; /* -1 = no number */
        double value;
    } cases[] = { { "1,2", 1, 1 },   { "1e,2", 1, 1 },  { "1e+x", 1, 1 }, { "1.5.5", 3, 1.5 },
                  { "-", -1, 0 },    { ".", -1, 0 },    { "+e5", -1, 0 }, { "abc", -1, 0 },
                  { "", -1, 0 },     { "0x10", 1, 0 },  { "1 2", 1, 1 },  { "12345678;", 8, 12345678 },
                  { "-3\n", 2, -3 }, { "1_000", 1, 1 }, { "--1", -1, 0 }, { "1e5e5", 3, 1e5 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64] = { 0 };
        double value = 0;
        strcpy(text, cases[i].text);
        const char *end = w_number_parse(text, '.', &value);
        assert_int_equal(end ? (int)(end - text) : -1, cases[i].length);
        assert_true(value == cases[i].value);
    }
    char text[32] = "3,25;7";
    double value;
    assert_ptr_equal(w_number_parse(text, ',', &value), text + 4);
    assert_true(value == 3.25);
}

static void a_field_is_a_number_as_a_whole(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool number;
        double value;
    } cases[] = { { " 1.5\t", true, 1.5 },    { "1.5x", false, 0 },      { "", false, 0 },
                  { "  ", false, 0 },         { "inf", true, INFINITY }, { "-Infinity", true, -INFINITY },
                  { "+INF", true, INFINITY }, { "infin", false, 0 },     { "NaN", true, NAN },
                  { "-nan", true, NAN },      { "nano", false, 0 },      { "0x10", false, 0 },
                  { "1e", false, 0 },         { "1,5", false, 0 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64] = { 0 };
        double value = 0;
        strcpy(text, cases[i].text);
        assert_int_equal(w_number_field(text, strlen(text), '.', &value), cases[i].number);
        if (cases[i].number) {
            assert_true(value == cases[i].value || (isnan(value) && isnan(cases[i].value)));
        }
    }
}

static void texts_of_numbers_are_short_and_read_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = { { 0, "0" },
                  { -0.0, "0" },
                  { 3, "3" },
                  { -17, "-17" },
                  { 0.25, "0.25" },
                  { 0.1, "0.1" },
                  { -0.001, "-0.001" },
                  { 1e14, "100000000000000" },
                  { 1e22, "1e+22" },
                  { 1e-7, "1e-07" },
                  { 123456.789, "123456.789" },
                  { NAN, "NaN" },
                  { INFINITY, "Inf" },
                  { 1.5e300, "1.5e+300" },
                  { -2.5e-300, "-2.5e-300" },
                  { 1e100, "1e+100" } };
    char text[W_NUMBER_TEXT_BYTES + 16] = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        w_number_text(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
    w_rng rng;
    w_rng_seed(&rng, 14);
    for (int i = 0; i < 200000; i++) {
        double value = random_bits(&rng), back;
        if (i % 2) {
            value = w_rng_normal(&rng);
        }
        w_number_text(value, text);
        assert_in_range(strlen(text), 1, W_NUMBER_TEXT_BYTES - 1);
        assert_non_null(w_number_parse(text, '.', &back));
        assert_true(back == value);
    }
}

static void the_locale_has_no_say(void **state)
{
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "de_DE",
                                         "fr_FR.UTF-8", "fr_FR.utf8", "da_DK.utf8" };
    const char *set = NULL;
    for (size_t i = 0; !set && i < sizeof names / sizeof *names; i++) {
        set = setlocale(LC_ALL, names[i]);
    }
    if (!set) {
        skip();
    }
    assert_string_equal(localeconv()->decimal_point, ",");
    double value;
    char text[64] = "2.4703282292062328e-324";
    assert_non_null(w_number_parse(text, '.', &value));
    assert_true(value == 0x1p-1074);
    strcpy(text, "9007199254740993.00000000000000000000000000000000001");
    assert_non_null(w_number_parse(text, '.', &value));
    assert_true(value == 9007199254740994.0);
    w_number_text(-1234.5678, text);
    assert_string_equal(text, "-1234.5678");
    setlocale(LC_ALL, "C");
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_pattern_reads_like_strtod),
        cmocka_unit_test(decimal_texts_read_like_strtod),
        cmocka_unit_test(ties_round_to_even_and_a_late_digit_breaks_them),
        cmocka_unit_test(edges_read_like_strtod),
        cmocka_unit_test(a_number_ends_where_it_ends),
        cmocka_unit_test(a_field_is_a_number_as_a_whole),
        cmocka_unit_test(texts_of_numbers_are_short_and_read_back),
        cmocka_unit_test(the_locale_has_no_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
