// Text, time and paths.

#include <stdlib.h>
#include <string.h>

#include "cairnlog.h"

void *cl_alloc(size_t bytes) {
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory) abort();
    return memory;
}

void cl_log(uint8_t level, const char *message) {
    cl_text text = cl_str(message);
    cairnlog_plugin_host_log(level, &text);
}

cl_text cl_str(const char *string) {
    return (cl_text){(uint8_t *)string, strlen(string)};
}

bool cl_equal(cl_text text, const char *string) {
    return text.len == strlen(string) && memcmp(text.ptr, string, text.len) == 0;
}

char *cl_string(cl_text text) {
    char *copy = cl_alloc(text.len + 1);
    if (text.len) memcpy(copy, text.ptr, text.len);
    return copy;
}

size_t cl_split(cl_text text, char separator, cl_text *out, size_t capacity) {
    size_t parts = 0, start = 0;
    for (size_t at = 0; at <= text.len; at++) {
        if (at < text.len && text.ptr[at] != (uint8_t)separator) continue;
        if (parts < capacity) out[parts] = (cl_text){text.ptr + start, at - start};
        parts++;
        start = at + 1;
    }
    return parts;
}

/// Bytes of the sequence that `bytes` starts with; negative if it is none, then those of its maximal part.
static int sequence(const uint8_t *bytes, size_t length) {
    uint8_t first = bytes[0], low = 0x80, high = 0xbf;
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return -1;
    int wanted = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    for (int at = 1; at < wanted; at++) {
        if ((size_t)at >= length || bytes[at] < low || bytes[at] > high) return -at;
        low = 0x80;
        high = 0xbf;
    }
    return wanted;
}

bool cl_is_utf8(cl_text bytes) {
    for (size_t at = 0; at < bytes.len;) {
        int step = sequence(bytes.ptr + at, bytes.len - at);
        if (step < 0) return false;
        at += (size_t)step;
    }
    return true;
}

cl_text cl_decode_utf8(const uint8_t *bytes, size_t length) {
    cl_text whole = {(uint8_t *)bytes, length};
    if (cl_is_utf8(whole)) return whole;
    cl_buffer text = {0};
    for (size_t at = 0; at < length;) {
        int step = sequence(bytes + at, length - at);
        if (step < 0) cl_append(&text, "\xef\xbf\xbd", 3);
        else cl_append(&text, bytes + at, (size_t)step);
        at += (size_t)abs(step);
    }
    return (cl_text){(uint8_t *)text.ptr, text.len};
}

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte) {
    return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

static bool is_label(cl_text label) {
    if (label.len < 1 || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-') return false;
    for (size_t at = 0; at < label.len; at++) {
        uint8_t byte = label.ptr[at];
        if (!is_letter(byte) && !is_digit(byte) && byte != '-') return false;
    }
    return true;
}

bool cl_is_hostname(cl_text text) {
    cl_text labels[127];
    size_t count = text.len <= 253 ? cl_split(text, '.', labels, 127) : 0;
    if (count < 2 || count > 127) return false;
    for (size_t at = 0; at < count; at++) {
        if (!is_label(labels[at])) return false;
    }
    cl_text last = labels[count - 1];
    size_t digits = 0;
    while (digits < last.len && is_digit(last.ptr[digits])) digits++;
    return digits < last.len;
}

bool cl_is_email(cl_text text) {
    const uint8_t *sign = text.len ? memchr(text.ptr, '@', text.len) : NULL;
    if (!sign) return false;
    size_t local = (size_t)(sign - text.ptr);
    if (local < 1 || local > 64) return false;
    for (size_t at = 0; at < local; at++) {
        uint8_t byte = text.ptr[at];
        bool allowed = byte && strchr("!#$%&'*+-/=?^_`{|}~.", byte);
        if (!is_letter(byte) && !is_digit(byte) && !allowed) return false;
    }
    return cl_is_hostname((cl_text){text.ptr + local + 1, text.len - local - 1});
}

/// So many digits at an offset; negative if they are not all digits.
static int number(cl_text text, size_t at, size_t digits) {
    int value = 0;
    for (size_t end = at + digits; at < end; at++) {
        if (at >= text.len || !is_digit(text.ptr[at])) return -1;
        value = value * 10 + (text.ptr[at] - '0');
    }
    return value;
}

static bool has(cl_text text, size_t at, const char *any_of) {
    return at < text.len && text.ptr[at] && strchr(any_of, text.ptr[at]);
}

static int month_days(int year, int month) {
    if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/// Counted in years that begin in March. Year -1 stands for January and February of year 0.
static int64_t days_since_epoch(int year, int month, int day) {
    int64_t march_year = (month <= 2 ? year - 1 : year) + 400;
    int64_t leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    return march_year * 365 + leap_days + day_of_year - 719468 - 146097;
}

bool cl_rfc3339(cl_text text, int64_t *ms, int *offset_minutes) {
    int year = number(text, 0, 4), month = number(text, 5, 2), day = number(text, 8, 2);
    int hour = number(text, 11, 2), minute = number(text, 14, 2), second = number(text, 17, 2);
    bool punctuated = has(text, 4, "-") && has(text, 7, "-") && has(text, 10, "Tt") && has(text, 13, ":") &&
                      has(text, 16, ":");
    // 60 is a leap second.
    bool in_range = year >= 0 && month >= 1 && month <= 12 && day >= 1 && hour >= 0 && hour < 24 && minute >= 0 &&
                    minute < 60 && second >= 0 && second <= 60;
    if (!punctuated || !in_range || day > month_days(year, month)) return false;
    size_t at = 19;
    int fraction = 0;
    if (has(text, at, ".")) {
        size_t first = ++at;
        for (int weight = 100; at < text.len && is_digit(text.ptr[at]); weight /= 10) {
            fraction += weight * (text.ptr[at++] - '0');
        }
        if (at == first) return false;
    }
    int offset = 0;
    if (has(text, at, "+-")) {
        int hours = number(text, at + 1, 2), minutes = number(text, at + 4, 2);
        bool sound = hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60 && has(text, at + 3, ":");
        if (!sound || text.len != at + 6) return false;
        offset = (hours * 60 + minutes) * (text.ptr[at] == '-' ? -1 : 1);
    } else if (!has(text, at, "Zz") || text.len != at + 1) {
        return false;
    }
    int64_t seconds = days_since_epoch(year, month, day) * 86400 + hour * 3600 + (minute - offset) * 60 + second;
    *ms = seconds * 1000 + fraction;
    if (offset_minutes) *offset_minutes = offset;
    return true;
}

void cl_append(cl_buffer *buffer, const void *bytes, size_t length) {
    // One byte is kept for a zero at the end.
    if (buffer->len + length + 1 > buffer->capacity) {
        size_t capacity = 2 * buffer->capacity + length + 32;
        char *grown = cl_alloc(capacity);
        if (buffer->len) memcpy(grown, buffer->ptr, buffer->len);
        buffer->ptr = grown;
        buffer->capacity = capacity;
    }
    if (length) memcpy(buffer->ptr + buffer->len, bytes, length);
    buffer->len += length;
    buffer->ptr[buffer->len] = 0;
}

static const char ESCAPED[] = "\"\\\b\t\n\f\r";
static const char HEX[] = "0123456789abcdef";
static const char LETTERS[] = "\"\\btnfr";

void cl_append_quoted(cl_buffer *buffer, cl_text text) {
    cl_append(buffer, "\"", 1);
    for (size_t at = 0; at < text.len; at++) {
        uint8_t byte = text.ptr[at];
        const char *found = byte ? strchr(ESCAPED, byte) : NULL;
        if (found) {
            cl_append(buffer, (char[]){'\\', LETTERS[found - ESCAPED]}, 2);
        } else if (byte < 0x20) {
            cl_append(buffer, (char[]){'\\', 'u', '0', '0', (char)('0' + (byte >> 4)), HEX[byte & 15]}, 6);
        } else {
            cl_append(buffer, &byte, 1);
        }
    }
    cl_append(buffer, "\"", 1);
}

bool cl_is_bare(cl_text key) {
    if (!key.len || (!is_letter(key.ptr[0]) && key.ptr[0] != '_')) return false;
    for (size_t at = 1; at < key.len; at++) {
        uint8_t byte = key.ptr[at];
        if (!is_letter(byte) && !is_digit(byte) && byte != '_' && byte != '-') return false;
    }
    return true;
}

void cl_push_key(cl_buffer *path, cl_text key) {
    if (cl_is_bare(key)) {
        if (path->len) cl_append(path, ".", 1);
        cl_append(path, key.ptr, key.len);
    } else {
        cl_append(path, "[", 1);
        cl_append_quoted(path, key);
        cl_append(path, "]", 1);
    }
}

void cl_push_index(cl_buffer *path, size_t index) {
    char segment[24];
    size_t start = sizeof segment;
    segment[--start] = ']';
    do segment[--start] = (char)('0' + index % 10);
    while (index /= 10);
    segment[--start] = '[';
    cl_append(path, segment + start, sizeof segment - start);
}
