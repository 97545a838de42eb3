// Normalizes JSON records: `time`, `user`, `action`, and whatever else they hold.

#include "cairnlog.h"

enum { READ = 2 };

const char *plugin_schema(void) {
    return NULL;
}

const char *plugin_configure(cl_text config) {
    return cl_no_config(config);
}

cl_outcome plugin_normalize(const cl_raw *record) {
    const char *reason;
    cl_json *rest = cl_json_parse(record->body.ptr, record->body.len, &reason);
    if (!rest) return cl_reject(reason);
    // What is taken is not in the rest.
    cl_json *time = cl_json_take(rest, "time", CL_STRING);
    cl_json *user = cl_json_take(rest, "user", CL_STRING);
    cl_json *action = cl_json_take(rest, "action", CL_STRING);
    int64_t ms;
    if (!time || !cl_rfc3339(time->text, &ms, NULL)) return cl_reject("`time` is no RFC 3339 time");
    if (!user || !action) return cl_reject("`user` and `action` must be texts");
    cl_builder event = cl_begin(&CL_API_ACTIVITY, READ, ms);
    cl_add_text(&event, "metadata.product.name", cl_str("{{name}}"));
    cl_add_text(&event, "api.operation", action->text);
    cl_add_user_name(&event, "actor.user", user->text);
    cl_add_text(&event, "src_endpoint.name", cl_str(CL_UNKNOWN));
    cl_add_unmapped(&event, rest);
    return cl_finish(&event);
}
