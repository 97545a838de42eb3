// Normalizes the badge readers' lines: time, person, what was done, and the door.

#include "cairnlog.h"

enum { READ = 2 };

const char *plugin_schema(void) {
    return NULL;
}

const char *plugin_configure(cl_text config) {
    return cl_no_config(config);
}

cl_outcome plugin_normalize(const cl_raw *record) {
    cl_text words[4];
    cl_text line = cl_decode_utf8(record->body.ptr, record->body.len);
    if (cl_split(line, ' ', words, 4) != 4) return cl_reject("the line has not four words");
    cl_text when = words[0], who = words[1], what = words[2], door = words[3];
    int64_t ms;
    if (!cl_rfc3339(when, &ms, NULL)) return cl_reject("the first word is no time");
    cl_builder event = cl_begin(&CL_API_ACTIVITY, READ, ms);
    cl_add_text(&event, "metadata.product.name", cl_str("Door Log"));
    cl_add_text(&event, "api.operation", what);
    cl_add_user_name(&event, "actor.user", who);
    cl_add_text(&event, "resources[0].name", door);
    cl_add_text(&event, "src_endpoint.name", door);
    return cl_finish(&event);
}
