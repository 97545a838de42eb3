// Says what of an event must not be kept as it is.

#include <string.h>

#include "cairnlog.h"

enum { KEPT = 4, WORDS_MAX = 256 };

const char *plugin_schema(void) {
    return NULL;
}

const char *plugin_configure(cl_text config) {
    return cl_no_config(config);
}

/// The e-mail addresses among a text's words.
static void redact_addresses(cl_redactions *out, size_t index, cl_text text) {
    cl_text words[WORDS_MAX];
    size_t count = cl_split(text, ' ', words, WORDS_MAX);
    if (count > WORDS_MAX) {
        // Too many to look at each: none is kept.
        cl_drop(out, index, "EMAIL_ADDRESS", "people");
        return;
    }
    for (size_t at = 0; at < count; at++) {
        uint32_t start = (uint32_t)(words[at].ptr - text.ptr);
        cl_span span = {start, start + (uint32_t)words[at].len};
        if (cl_is_email(words[at])) cl_pseudonymize(out, index, &span, "EMAIL_ADDRESS", "people");
    }
}

void plugin_redact(const cl_event *event, cl_redactions *out) {
    for (size_t index = 0; index < event->len; index++) {
        const cl_attribute *attribute = &event->ptr[index];
        cl_text path = attribute->path;
        bool is_text = attribute->value.tag == CAIRNLOG_PLUGIN_EVENTS_VALUE_TEXT;
        if (cl_equal(path, "actor.user.email_addr")) {
            cl_pseudonymize(out, index, NULL, "EMAIL_ADDRESS", "people");
        } else if (cl_equal(path, "actor.user.name")) {
            cl_pseudonymize(out, index, NULL, "USER_NAME", "people");
        } else if (cl_equal(path, "src_endpoint.ip")) {
            cl_drop(out, index, "IP_ADDRESS", "addresses");
        } else if (is_text && cl_equal(path, "message")) {
            redact_addresses(out, index, attribute->value.val.text);
        } else if (is_text && path.len >= 8 && memcmp(path.ptr, "unmapped", 8) == 0) {
            cl_mask(out, index, KEPT, NULL, "UNMAPPED", "not mapped");
        }
    }
}
