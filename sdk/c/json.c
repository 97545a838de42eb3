// JSON as a source sent it.

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cairnlog.h"

/// Deeper ones are refused: each level takes stack.
#define DEPTH_MAX 128

static const char NOT_JSON[] = "the record is not JSON";
static const char REPEATED[] = "the record gives an object's key twice";

typedef struct {
    const char *at;
    int depth;
    const char *reason;
} reader;

static cl_json *value(reader *in);

static void *refuse(reader *in, const char *reason) {
    if (!in->reason) in->reason = reason;
    return NULL;
}

static void skip_space(reader *in) {
    while (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r') in->at++;
}

static cl_json *node(cl_json_type type) {
    cl_json *made = cl_alloc(sizeof *made);
    made->type = type;
    return made;
}

/// Four hexadecimal digits; negative if they are not.
static int32_t unit(reader *in) {
    int32_t value = 0;
    for (int digit = 0; digit < 4; digit++) {
        char byte = *in->at;
        const char *found = byte ? strchr("0123456789abcdefABCDEF", byte) : NULL;
        if (!found) return -1;
        int nibble = (int)(found - strchr("0123456789abcdefABCDEF", '0'));
        value = value * 16 + (nibble > 15 ? nibble - 6 : nibble);
        in->at++;
    }
    return value;
}

static bool append_escaped(reader *in, cl_buffer *out) {
    int32_t code = unit(in);
    if (code >= 0xd800 && code < 0xdc00 && in->at[0] == '\\' && in->at[1] == 'u') {
        in->at += 2;
        int32_t low = unit(in);
        code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -1;
    }
    // Half a pair is in no UTF-8.
    if (code < 0 || (code >= 0xd800 && code < 0xe000)) return false;
    if (code < 0x80) {
        cl_append(out, (char[]){(char)code}, 1);
    } else if (code < 0x800) {
        cl_append(out, (char[]){(char)(0xc0 | code >> 6), (char)(0x80 | (code & 0x3f))}, 2);
    } else if (code < 0x10000) {
        char bytes[] = {(char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3f)), (char)(0x80 | (code & 0x3f))};
        cl_append(out, bytes, sizeof bytes);
    } else {
        char bytes[] = {
            (char)(0xf0 | code >> 18), (char)(0x80 | (code >> 12 & 0x3f)), (char)(0x80 | (code >> 6 & 0x3f)),
            (char)(0x80 | (code & 0x3f)),
        };
        cl_append(out, bytes, sizeof bytes);
    }
    return true;
}

static bool string(reader *in, cl_text *out) {
    if (*in->at++ != '"') return refuse(in, NOT_JSON) != NULL;
    cl_buffer text = {0};
    while (*in->at != '"') {
        const char *start = in->at;
        while ((uint8_t)*in->at >= 0x20 && *in->at != '"' && *in->at != '\\') in->at++;
        cl_append(&text, start, (size_t)(in->at - start));
        if (*in->at == '"') break;
        // A control character, the end, or an escape.
        const char *found = *in->at == '\\' && in->at[1] ? strchr("\"\\/bfnrtu", in->at[1]) : NULL;
        if (!found) return refuse(in, NOT_JSON) != NULL;
        in->at += 2;
        if (*found == 'u') {
            if (!append_escaped(in, &text)) return refuse(in, NOT_JSON) != NULL;
        } else {
            cl_append(&text, &"\"\\/\b\f\n\r\t"[found - strchr("\"\\/bfnrtu", '"')], 1);
        }
    }
    in->at++;
    *out = (cl_text){(uint8_t *)(text.ptr ? text.ptr : ""), text.len};
    return true;
}

static bool digits(reader *in) {
    const char *start = in->at;
    while (*in->at >= '0' && *in->at <= '9') in->at++;
    return in->at > start;
}

static cl_json *number(reader *in) {
    const char *start = in->at;
    bool whole = true;
    if (*in->at == '-') in->at++;
    bool zero = *in->at == '0';
    const char *first = in->at;
    if (!digits(in) || (zero && in->at > first + 1)) return refuse(in, NOT_JSON);
    if (*in->at == '.') {
        whole = false;
        in->at++;
        if (!digits(in)) return refuse(in, NOT_JSON);
    }
    if (*in->at == 'e' || *in->at == 'E') {
        whole = false;
        in->at++;
        if (*in->at == '+' || *in->at == '-') in->at++;
        if (!digits(in)) return refuse(in, NOT_JSON);
    }
    cl_json *made = node(whole ? CL_INTEGER : CL_FLOAT);
    made->text = cl_str(cl_string((cl_text){(uint8_t *)start, (size_t)(in->at - start)}));
    errno = 0;
    if (whole) made->integer = strtoll((char *)made->text.ptr, NULL, 10);
    else made->number = strtod((char *)made->text.ptr, NULL);
    bool fits = whole ? errno == 0 : isfinite(made->number);
    if (!fits) made->type = CL_STRING;
    return made;
}

static cl_json *word(reader *in, const char *spelled, cl_json_type type, bool boolean) {
    size_t length = strlen(spelled);
    if (strncmp(in->at, spelled, length) != 0) return refuse(in, NOT_JSON);
    in->at += length;
    cl_json *made = node(type);
    made->boolean = boolean;
    return made;
}

static int compare_keys(const void *left, const void *right) {
    const cl_text *a = &(*(cl_json *const *)left)->key, *b = &(*(cl_json *const *)right)->key;
    if (a->len != b->len) return a->len < b->len ? -1 : 1;
    return memcmp(a->ptr, b->ptr, a->len);
}

static bool has_repeated_key(const cl_json *object) {
    const cl_json **members = cl_alloc(object->count * sizeof *members);
    size_t count = 0;
    for (const cl_json *member = object->first; member; member = member->next) members[count++] = member;
    qsort(members, count, sizeof *members, compare_keys);
    for (size_t at = 1; at < count; at++) {
        if (compare_keys(&members[at - 1], &members[at]) == 0) return true;
    }
    return false;
}

static cl_json *container(reader *in, cl_json_type type, char close) {
    if (++in->depth > DEPTH_MAX) return refuse(in, NOT_JSON);
    cl_json *made = node(type), **end = &made->first;
    in->at++;
    skip_space(in);
    while (*in->at != close) {
        cl_text key = {0};
        if (type == CL_OBJECT) {
            if (!string(in, &key)) return NULL;
            skip_space(in);
            if (*in->at++ != ':') return refuse(in, NOT_JSON);
        }
        cl_json *inner = value(in);
        if (!inner) return NULL;
        inner->key = key;
        *end = inner;
        end = &inner->next;
        made->count++;
        skip_space(in);
        if (*in->at == close) break;
        if (*in->at++ != ',') return refuse(in, NOT_JSON);
        skip_space(in);
        if (*in->at == close) return refuse(in, NOT_JSON);
    }
    in->at++;
    in->depth--;
    if (type == CL_OBJECT && has_repeated_key(made)) return refuse(in, REPEATED);
    return made;
}

static cl_json *value(reader *in) {
    skip_space(in);
    cl_json *made;
    switch (*in->at) {
        case '{':
            return container(in, CL_OBJECT, '}');
        case '[':
            return container(in, CL_LIST, ']');
        case '"':
            made = node(CL_STRING);
            return string(in, &made->text) ? made : NULL;
        case 't':
            return word(in, "true", CL_BOOLEAN, true);
        case 'f':
            return word(in, "false", CL_BOOLEAN, false);
        case 'n':
            return word(in, "null", CL_NULL, false);
        default:
            return number(in);
    }
}

cl_json *cl_json_parse(const uint8_t *bytes, size_t length, const char **reason) {
    cl_text body = {(uint8_t *)bytes, length};
    if (!cl_is_utf8(body)) {
        *reason = "the record is not UTF-8";
        return NULL;
    }
    // The zero at the copy's end stops every loop of the reader.
    reader in = {cl_string(body), 0, NULL};
    const char *end = in.at + length;
    if (length >= 3 && memcmp(in.at, "\xef\xbb\xbf", 3) == 0) in.at += 3;
    cl_json *made = value(&in);
    // After a failure the reader may stand behind the zero.
    if (made) skip_space(&in);
    if (made && in.at != end) made = refuse(&in, NOT_JSON);
    if (made && made->type != CL_OBJECT) made = refuse(&in, "the record is not a JSON object");
    *reason = in.reason;
    return made;
}

cl_json *cl_json_get(const cl_json *object, const char *key) {
    for (cl_json *member = object->first; member; member = member->next) {
        if (object->type == CL_OBJECT && cl_equal(member->key, key)) return member;
    }
    return NULL;
}

cl_json *cl_json_take(cl_json *object, const char *key, cl_json_type type) {
    cl_json *found = cl_json_get(object, key);
    if (!found || found->type != type) return NULL;
    cl_json **link = &object->first;
    while (*link != found) link = &(*link)->next;
    *link = found->next;
    object->count--;
    found->next = NULL;
    return found;
}

static void write_value(cl_buffer *out, const cl_json *value) {
    bool is_object = value->type == CL_OBJECT;
    switch (value->type) {
        case CL_NULL:
            cl_append(out, "null", 4);
            break;
        case CL_BOOLEAN:
            cl_append(out, value->boolean ? "true" : "false", value->boolean ? 4 : 5);
            break;
        case CL_INTEGER:
        case CL_FLOAT:
            cl_append(out, value->text.ptr, value->text.len);
            break;
        case CL_STRING:
            cl_append_quoted(out, value->text);
            break;
        case CL_LIST:
        case CL_OBJECT:
            cl_append(out, is_object ? "{" : "[", 1);
            for (const cl_json *inner = value->first; inner; inner = inner->next) {
                if (inner != value->first) cl_append(out, ",", 1);
                if (is_object) cl_append_quoted(out, inner->key);
                if (is_object) cl_append(out, ":", 1);
                write_value(out, inner);
            }
            cl_append(out, is_object ? "}" : "]", 1);
            break;
    }
}

cl_text cl_json_text(const cl_json *value) {
    cl_buffer out = {0};
    write_value(&out, value);
    return (cl_text){(uint8_t *)out.ptr, out.len};
}
