// gcc -std=c11 -I. -Inormalizer test/test_sdk.c text.c event.c json.c ocsf.c component.c -lm -o /tmp/test && /tmp/test
// in the folder above.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../flatten.h"

static int failures;

#define CHECK(condition, what)                                            \
    do {                                                                  \
        if (!(condition)) {                                               \
            printf("%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, what); \
            failures++;                                                   \
        }                                                                 \
    } while (0)

#define COUNT(list) (sizeof(list) / sizeof *(list))

void cairnlog_plugin_host_log(uint8_t level, cl_text *message) {
    printf("%u: %.*s\n", level, (int)message->len, message->ptr);
}

const char *plugin_schema(void) {
    return NULL;
}

const char *plugin_configure(cl_text config) {
    return cl_no_config(config);
}

cl_outcome plugin_normalize(const cl_raw *record) {
    return record->body.len ? cl_reject("not empty") : cl_skip("empty");
}

static const char *rejected(cl_outcome outcome) {
    bool is_reject = outcome.tag == EXPORTS_CAIRNLOG_PLUGIN_NORMALIZER_OUTCOME_REJECT;
    return is_reject ? cl_string(outcome.val.reject) : "no reject";
}

static void test_invalid_bytes_become_replacement_characters(void) {
    const char *cases[][2] = {
        {"zo\xc3\xab \xf0\x9f\x94\x92", "zo\xc3\xab \xf0\x9f\x94\x92"},
        {"a\xff\xfe" "b", "a\xef\xbf\xbd\xef\xbf\xbd" "b"},
        {"\xe2\x82y", "\xef\xbf\xbdy"},
        {"\xf0\x9f\x92z", "\xef\xbf\xbdz"},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"a\xe2", "a\xef\xbf\xbd"},
        {"", ""},
    };
    for (size_t at = 0; at < COUNT(cases); at++) {
        cl_text text = cl_str(cases[at][0]);
        CHECK(cl_equal(cl_decode_utf8(text.ptr, text.len), cases[at][1]), cases[at][1]);
        CHECK(cl_is_utf8(text) == (strcmp(cases[at][0], cases[at][1]) == 0), cases[at][1]);
    }
}

static void test_known_moments(void) {
    // `date -u -d … +%s`
    struct {
        const char *text;
        int64_t ms;
        int offset;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, 0},
        {"2023-07-10T11:42:36Z", 1688989356000, 0},
        {"2023-03-10T22:38:26.382098Z", 1678487906382, 0},
        {"2024-02-29T23:59:59.9+00:00", 1709251199900, 0},
        {"2000-03-01T00:00:00-05:30", 951888600000, -330},
        {"1969-12-31T23:59:59.999Z", -1, 0},
        {"2016-12-31T23:59:60Z", 1483228800000, 0},
        {"9999-12-31t23:59:59z", 253402300799000, 0},
        {"0000-01-01T00:00:00Z", -62167219200000, 0},
    };
    for (size_t at = 0; at < COUNT(cases); at++) {
        int64_t ms = 0;
        int offset = 0;
        CHECK(cl_rfc3339(cl_str(cases[at].text), &ms, &offset), cases[at].text);
        CHECK(ms == cases[at].ms && offset == cases[at].offset, cases[at].text);
    }
}

static void test_what_is_no_moment_is_refused(void) {
    const char *cases[] = {
        "", "2023-07-10", "2023-07-10T11:42:36", "2023-07-10 11:42:36Z", "2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z",
        "2023-07-10T24:00:00Z", "2023-07-10T11:60:00Z", "2023-07-10T11:42:36.Z", "2023-07-10T11:42:36+0100",
        "2023-07-10T11:42:36+24:00", "2023-07-10T11:42:36Zx", "2023-07-10T11:42:36Z\n", "2023-07-10T11:42:3\xc3\xa9Z",
        "+023-07-10T11:42:36Z", "1688989356",
    };
    int64_t ms;
    for (size_t at = 0; at < COUNT(cases); at++) CHECK(!cl_rfc3339(cl_str(cases[at]), &ms, NULL), cases[at]);
}

static void test_keys_are_quoted_where_needed_and_only_there(void) {
    const char *cases[][2] = {
        {"a-b_9", "unmapped.a-b_9"},
        {"", "unmapped[\"\"]"},
        {"9a", "unmapped[\"9a\"]"},
        {"a b", "unmapped[\"a b\"]"},
        {"a\"\\\n\x01\x1f\xc3\xa9", "unmapped[\"a\\\"\\\\\\n\\u0001\\u001f\xc3\xa9\"]"},
    };
    for (size_t at = 0; at < COUNT(cases); at++) {
        cl_buffer path = {0};
        cl_append(&path, "unmapped", 8);
        cl_push_key(&path, cl_str(cases[at][0]));
        CHECK(strcmp(path.ptr, cases[at][1]) == 0, path.ptr);
    }
    cl_buffer path = {0};
    cl_push_key(&path, cl_str("a"));
    cl_push_index(&path, 0);
    cl_push_index(&path, 1203);
    CHECK(strcmp(path.ptr, "a[0][1203]") == 0, path.ptr);
}

static void test_host_names_and_e_mail_addresses(void) {
    const char *hosts[] = {"kms.amazonaws.com", "a-b.example", "xn--bcher-kva.example"};
    const char *no_hosts[] = {
        "localhost", "Workday_Internal.x", "10.0.0.1", "-a.example", "a..b", "", ".", "a.b.", "A B.c",
    };
    const char *emails[] = {"alice@example.com", "a.b+c@mail.example.org"};
    const char *no_emails[] = {
        "alice", "alice@localhost", "@example.com", "alice@", "a b@example.com", "\xc3\xa4lice@example.com",
        "a@b@example.com",
    };
    for (size_t at = 0; at < COUNT(hosts); at++) CHECK(cl_is_hostname(cl_str(hosts[at])), hosts[at]);
    for (size_t at = 0; at < COUNT(no_hosts); at++) CHECK(!cl_is_hostname(cl_str(no_hosts[at])), no_hosts[at]);
    for (size_t at = 0; at < COUNT(emails); at++) CHECK(cl_is_email(cl_str(emails[at])), emails[at]);
    for (size_t at = 0; at < COUNT(no_emails); at++) CHECK(!cl_is_email(cl_str(no_emails[at])), no_emails[at]);
}

static cl_json *parsed(const char *text) {
    const char *reason = NULL;
    cl_json *value = cl_json_parse((const uint8_t *)text, strlen(text), &reason);
    CHECK(value, reason ? reason : text);
    if (!value) exit(1);
    return value;
}

static cl_builder flat(const char *text) {
    cl_builder event = {0};
    cl_add_unmapped(&event, parsed(text));
    return event;
}

static char *repeated(const char *unit, size_t count) {
    cl_buffer text = {0};
    while (count--) cl_append(&text, unit, strlen(unit));
    return text.ptr;
}

static char *joined(const char *first, const char *second, const char *third) {
    cl_buffer text = {0};
    cl_append(&text, first, strlen(first));
    cl_append(&text, second, strlen(second));
    cl_append(&text, third, strlen(third));
    return text.ptr;
}

static void test_containers_become_paths(void) {
    cl_builder event =
        flat("{\"a\":[1,null,{\"x\":null},[]],\"b\":{\"c.d\":true},\"e\":{},\"f\":null,\"g\":{\"y\":null},\"h\":1.5}");
    struct {
        const char *path;
        uint8_t tag;
    } expected[] = {
        {"unmapped.a[0]", CAIRNLOG_PLUGIN_EVENTS_VALUE_INTEGER},
        {"unmapped.a[1]", CAIRNLOG_PLUGIN_EVENTS_VALUE_TEXT},
        {"unmapped.a[2]", CAIRNLOG_PLUGIN_EVENTS_VALUE_EMPTY_OBJECT},
        {"unmapped.a[3]", CAIRNLOG_PLUGIN_EVENTS_VALUE_EMPTY_LIST},
        {"unmapped.b[\"c.d\"]", CAIRNLOG_PLUGIN_EVENTS_VALUE_BOOLEAN},
        {"unmapped.e", CAIRNLOG_PLUGIN_EVENTS_VALUE_EMPTY_OBJECT},
        {"unmapped.g", CAIRNLOG_PLUGIN_EVENTS_VALUE_EMPTY_OBJECT},
        {"unmapped.h", CAIRNLOG_PLUGIN_EVENTS_VALUE_FLOAT},
    };
    CHECK(event.event.len == COUNT(expected), "as many attributes");
    for (size_t at = 0; at < COUNT(expected) && at < event.event.len; at++) {
        CHECK(cl_equal(event.event.ptr[at].path, expected[at].path), expected[at].path);
        CHECK(event.event.ptr[at].value.tag == expected[at].tag, expected[at].path);
    }
    CHECK(cl_equal(cl_get_text(&event.event, "unmapped.a[1]"), "null"), "a null keeps its place");
    CHECK(cl_get(&event.event, "unmapped.a[0]")->val.integer == 1, "the number");
    CHECK(cl_get(&event.event, "unmapped.h")->val.float_ == 1.5, "the float");
    CHECK(!cl_get(&event.event, "unmapped.f"), "a null says that there is nothing");
}

static void test_what_is_too_deep_or_too_long_becomes_text(void) {
    char *list = joined(repeated("[", 60), "1", repeated("]", 60));
    cl_builder deep = flat(joined("{\"a\":", list, "}"));
    char *path = joined("unmapped.a", repeated("[0]", 30), "");
    CHECK(deep.event.len == 1, "one attribute");
    CHECK(cl_equal(cl_get_text(&deep.event, path), joined(repeated("[", 30), "1", repeated("]", 30))), path);
    char *object = joined("{\"", repeated("k", 2000), "\":1}");
    cl_builder wide = flat(joined("{\"a\":", object, "}"));
    CHECK(cl_equal(cl_get_text(&wide.event, "unmapped.a"), object), "a key that is too long");
}

static void test_a_text_beyond_the_limit_is_kept_in_pieces(void) {
    char *text = joined("x", repeated("\xc3\xa9", 65536), "");
    cl_builder event = flat(joined("{\"a\":\"", text, "\"}"));
    CHECK(event.event.len == 3, "three pieces");
    CHECK(cl_equal(event.event.ptr[2].path, "unmapped.a[2]"), "their paths");
    cl_buffer whole = {0};
    for (size_t at = 0; at < event.event.len; at++) {
        cl_text piece = event.event.ptr[at].value.val.text;
        CHECK(piece.len <= CL_VALUE_BYTES_MAX && cl_is_utf8(piece), "a piece is a text");
        cl_append(&whole, piece.ptr, piece.len);
    }
    CHECK(strcmp(whole.ptr, text) == 0, "nothing is lost");
}

static void test_numbers_keep_their_digits(void) {
    cl_json *object = parsed("{\"a\":9223372036854775807,\"b\":9223372036854775808,\"c\":1e400,\"d\":1e2,\"e\":-0.5}");
    CHECK(cl_json_get(object, "a")->integer == INT64_MAX, "the greatest integer");
    CHECK(cl_equal(cl_json_take(object, "b", CL_STRING)->text, "9223372036854775808"), "one more");
    CHECK(cl_equal(cl_json_take(object, "c", CL_STRING)->text, "1e400"), "no float");
    CHECK(cl_json_get(object, "d")->number == 100.0 && cl_json_get(object, "e")->number == -0.5, "floats");
    CHECK(!cl_json_take(object, "a", CL_STRING) && cl_json_get(object, "a"), "another type is not taken");
    CHECK(cl_equal(cl_json_text(object), "{\"a\":9223372036854775807,\"d\":1e2,\"e\":-0.5}"), "the rest");
}

static void test_refusals_repeat_nothing_of_the_record(void) {
    const char *cases[][2] = {
        {"{\"secret\":1,\"secret\":2}", "the record gives an object's key twice"},
        {"{\"a\":{\"secret\":1,\"\\u0073ecret\":2}}", "the record gives an object's key twice"},
        {"{\"secret\":", "the record is not JSON"},
        {"secret", "the record is not JSON"},
        {"", "the record is not JSON"},
        {"{\"a\":01}", "the record is not JSON"},
        {"{\"a\":1.}", "the record is not JSON"},
        {"{\"a\":1,}", "the record is not JSON"},
        {"{\"a\":\"secret\\ud800\"}", "the record is not JSON"},
        {"{\"a\":\"secret\\\\", "the record is not JSON"},
        {"{\"a\":\"\n\"}", "the record is not JSON"},
        {"{} {}", "the record is not JSON"},
        {"[\"secret\"]", "the record is not a JSON object"},
        {"\xff\xfe", "the record is not UTF-8"},
        {repeated("[", 100000), "the record is not JSON"},
    };
    for (size_t at = 0; at < COUNT(cases); at++) {
        const char *reason = "none";
        cl_json *value = cl_json_parse((const uint8_t *)cases[at][0], strlen(cases[at][0]), &reason);
        CHECK(!value && strcmp(reason, cases[at][1]) == 0, reason);
    }
    const char *reason = "none";
    CHECK(!cl_json_parse((const uint8_t *)"{}\0", 3, &reason), "a zero does not end a record");
    cl_json *object = parsed("\xef\xbb\xbf{\"a\\u0062\":\"\\u00e9\\n\\ud83d\\ude00\\/\"}");
    CHECK(cl_equal(cl_json_get(object, "ab")->text, "\xc3\xa9\n\xf0\x9f\x98\x80/"), "escapes are read");
}

static void test_an_event_says_what_ocsf_asks_of_all(void) {
    cl_builder event = cl_begin(&CL_API_ACTIVITY, 2, 1700000000000);
    cl_add_user_name(&event, "actor.user", cl_str("anna@example.com"));
    cl_add_http_status(&event, 404);
    CHECK(cl_get(&event.event, "category_uid")->val.integer == 6, "category");
    CHECK(cl_get(&event.event, "type_uid")->val.integer == 600302, "type");
    CHECK(cl_get(&event.event, "severity_id")->val.integer == 1, "severity");
    CHECK(cl_get(&event.event, "time")->val.integer == 1700000000000, "time");
    CHECK(cl_equal(cl_get_text(&event.event, "activity_name"), "Read"), "activity");
    CHECK(cl_equal(cl_get_text(&event.event, "metadata.version"), "1.8.0"), "version");
    CHECK(cl_equal(cl_get_text(&event.event, "actor.user.email_addr"), "anna@example.com"), "e-mail address");
    CHECK(cl_equal(cl_get_text(&event.event, "status"), "Failure"), "status");
    cl_builder unknown = cl_begin(&CL_API_ACTIVITY, 5, 0);
    CHECK(cl_get(&unknown.event, "activity_id")->val.integer == 0, "an activity that the class lacks");
    cl_builder other = cl_begin_other(&CL_API_ACTIVITY, cl_str("Rotate"), 0);
    CHECK(cl_get(&other.event, "type_uid")->val.integer == 600399, "another activity");
}

static void test_what_does_not_fit_is_kept_as_text_or_refused(void) {
    char *list = joined("[", repeated("1,", 4999), "1]");
    cl_builder event = flat(joined("{\"long\":", list, ",\"short\":[true]}"));
    CHECK(cl_equal(cl_get_text(&event.event, "unmapped.long"), list), "the long one is text");
    CHECK(cl_get(&event.event, "unmapped.short[0]")->val.boolean, "the short one is not");
    cl_builder many = {0};
    for (int at = 0; at <= CL_ATTRIBUTES_MAX; at++) cl_add_integer(&many, "a", at);
    CHECK(strcmp(rejected(cl_finish(&many)), "the record has more than 4096 attributes") == 0, "attributes");
    cl_builder key = flat(joined("{\"", repeated("k", 2000), "\":1}"));
    const char *reason = "the record has a key that makes a path of more than 1024 bytes";
    CHECK(strcmp(rejected(cl_finish(&key)), reason) == 0, "path");
    cl_builder value = {0};
    cl_add_text(&value, "message", cl_str(repeated("\xc3\xa9", 40000)));
    CHECK(strcmp(rejected(cl_finish(&value)), "the record has a value of more than 65536 bytes") == 0, "value");
}

static void test_no_config_means_none(void) {
    const char *none[] = {"", "null", "{}", " { } ", " null\n"}, *some[] = {"{\"a\":1}", "[]", "0", "{"};
    for (size_t at = 0; at < COUNT(none); at++) CHECK(!cl_no_config(cl_str(none[at])), none[at]);
    for (size_t at = 0; at < COUNT(some); at++) CHECK(cl_no_config(cl_str(some[at])), some[at]);
}

static void test_a_plugin_is_configured_once(void) {
    plugin_string_t config = cl_str("1"), error = {0};
    CHECK(!exports_cairnlog_plugin_settings_configure(&config, &error), "a wrong config");
    config = cl_str("{}");
    CHECK(exports_cairnlog_plugin_settings_configure(&config, &error), "a right one");
    CHECK(!exports_cairnlog_plugin_settings_configure(&config, &error), "another time");
    CHECK(cl_equal(error, "the plugin is configured already"), cl_string(error));
}

int main(void) {
    test_invalid_bytes_become_replacement_characters();
    test_known_moments();
    test_what_is_no_moment_is_refused();
    test_keys_are_quoted_where_needed_and_only_there();
    test_host_names_and_e_mail_addresses();
    test_containers_become_paths();
    test_what_is_too_deep_or_too_long_becomes_text();
    test_a_text_beyond_the_limit_is_kept_in_pieces();
    test_numbers_keep_their_digits();
    test_refusals_repeat_nothing_of_the_record();
    test_an_event_says_what_ocsf_asks_of_all();
    test_what_does_not_fit_is_kept_as_text_or_refused();
    test_no_config_means_none();
    test_a_plugin_is_configured_once();
    printf(failures ? "%d failures\n" : "all passed\n", failures);
    return failures != 0;
}
