// Says which retention class a record is of. What a class means is set in the log, outside any plugin.

#include "cairnlog.h"

enum { DELETE = 6 };

const char *plugin_schema(void) {
    return NULL;
}

const char *plugin_configure(cl_text config) {
    return cl_no_config(config);
}

static int64_t integer(const cl_event *event, const char *path) {
    const cl_value *value = cl_get(event, path);
    return value && value->tag == CAIRNLOG_PLUGIN_EVENTS_VALUE_INTEGER ? value->val.integer : -1;
}

cl_decision plugin_decide(const cl_event *event) {
    int64_t class_uid = integer(event, "class_uid");
    if (class_uid < 0) return cl_no_class();
    if (class_uid == CL_AUTHENTICATION.uid) return cl_decide("sign-in", "authentication");
    if (class_uid != CL_ACCOUNT_CHANGE.uid) return cl_decide("default", "all others");
    cl_text subject = cl_get_text(event, "user.uid");
    if (!subject.len) return cl_decide("admin-change", "accounts");
    bool ends = integer(event, "activity_id") == DELETE;
    cl_decision decision = cl_decide("admin-change", ends ? "accounts that end" : "accounts");
    cl_subject(&decision, subject);
    if (ends) cl_closes(&decision, "admin-change");
    return decision;
}
