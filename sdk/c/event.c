// Building events, and reading them.

#include <math.h>
#include <string.h>

#include "cairnlog.h"
#include "flatten.h"

static void push(cl_builder *builder, cl_text path, cl_value value) {
    if (builder->event.len == builder->capacity) {
        size_t capacity = builder->capacity ? 2 * builder->capacity : 64;
        cl_attribute *grown = cl_alloc(capacity * sizeof *grown);
        if (builder->event.len) memcpy(grown, builder->event.ptr, builder->event.len * sizeof *grown);
        builder->event.ptr = grown;
        builder->capacity = capacity;
    }
    builder->event.ptr[builder->event.len++] = (cl_attribute){path, value};
}

static cl_builder begin(const cl_class *ocsf_class, int activity, cl_text name, int64_t time_ms) {
    cl_builder event = {0};
    cl_add_integer(&event, "category_uid", ocsf_class->uid / 1000);
    cl_add_integer(&event, "class_uid", ocsf_class->uid);
    cl_add_integer(&event, "activity_id", activity);
    cl_add_text(&event, "activity_name", name);
    cl_add_integer(&event, "type_uid", (int64_t)ocsf_class->uid * 100 + activity);
    cl_add_integer(&event, "severity_id", 1);
    cl_add_integer(&event, "time", time_ms);
    cl_add_text(&event, "metadata.version", cl_str("1.8.0"));
    return event;
}

cl_builder cl_begin(const cl_class *ocsf_class, int activity, int64_t time_ms) {
    bool known = activity >= 1 && activity <= ocsf_class->count;
    const char *name = known ? ocsf_class->activities[activity - 1] : "Unknown";
    return begin(ocsf_class, known ? activity : 0, cl_str(name), time_ms);
}

cl_builder cl_begin_other(const cl_class *ocsf_class, cl_text activity, int64_t time_ms) {
    return activity.len ? begin(ocsf_class, 99, activity, time_ms) : cl_begin(ocsf_class, 0, time_ms);
}

void cl_add_text(cl_builder *event, const char *path, cl_text value) {
    push(event, cl_str(path), (cl_value){CAIRNLOG_PLUGIN_EVENTS_VALUE_TEXT, {.text = value}});
}

void cl_add_integer(cl_builder *event, const char *path, int64_t value) {
    push(event, cl_str(path), (cl_value){CAIRNLOG_PLUGIN_EVENTS_VALUE_INTEGER, {.integer = value}});
}

void cl_add_float(cl_builder *event, const char *path, double value) {
    // The host takes finite numbers alone.
    if (!isfinite(value)) cl_add_text(event, path, cl_str(isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"));
    else push(event, cl_str(path), (cl_value){CAIRNLOG_PLUGIN_EVENTS_VALUE_FLOAT, {.float_ = value}});
}

void cl_add_boolean(cl_builder *event, const char *path, bool value) {
    push(event, cl_str(path), (cl_value){CAIRNLOG_PLUGIN_EVENTS_VALUE_BOOLEAN, {.boolean = value}});
}

void cl_add_http_status(cl_builder *event, int64_t code) {
    int id = code >= 100 && code < 400 ? 1 : code >= 400 && code < 600 ? 2 : 0;
    cl_add_integer(event, "status_id", id);
    cl_add_text(event, "status", cl_str((const char *[]){"Unknown", "Success", "Failure"}[id]));
}

static char *below(const char *path, const char *member) {
    cl_buffer joined = {0};
    cl_append(&joined, path, strlen(path));
    cl_append(&joined, member, strlen(member));
    return joined.ptr;
}

void cl_add_user_name(cl_builder *event, const char *user, cl_text name) {
    if (cl_is_email(name)) cl_add_text(event, below(user, ".email_addr"), name);
    cl_add_text(event, below(user, ".name"), name);
}

void cl_add_json(cl_builder *event, const char *path, const cl_json *value) {
    if (!value || value->type == CL_NULL) return;
    cl_buffer base = {0};
    cl_append(&base, path, strlen(path));
    size_t segments = cl_split(cl_str(path), '.', NULL, 0);
    if (cl_count(value) <= CL_ATTRIBUTES_MAX / 4) cl_flatten(event, &base, segments, value);
    else cl_flatten_text(event, &base, cl_json_text(value));
}

void cl_add_unmapped(cl_builder *event, const cl_json *rest) {
    bool fits = cl_count(rest) <= CL_ATTRIBUTES_MAX / 2;
    for (const cl_json *member = rest->first; member; member = member->next) {
        if (member->type == CL_NULL) continue;
        cl_buffer path = {0};
        cl_append(&path, "unmapped", 8);
        cl_push_key(&path, member->key);
        if (fits || cl_count(member) <= CL_MEMBER_ATTRIBUTES_MAX) cl_flatten(event, &path, 2, member);
        else cl_flatten_text(event, &path, cl_json_text(member));
    }
}

const char *cl_fault(const cl_builder *builder) {
    if (builder->event.len > CL_ATTRIBUTES_MAX) return "the record has more than 4096 attributes";
    for (size_t at = 0; at < builder->event.len; at++) {
        const cl_attribute *attribute = &builder->event.ptr[at];
        bool is_text = attribute->value.tag == CAIRNLOG_PLUGIN_EVENTS_VALUE_TEXT;
        if (attribute->path.len > CL_PATH_BYTES_MAX) {
            return "the record has a key that makes a path of more than 1024 bytes";
        }
        if (is_text && attribute->value.val.text.len > CL_VALUE_BYTES_MAX) {
            return "the record has a value of more than 65536 bytes";
        }
    }
    return NULL;
}

const cl_value *cl_get(const cl_event *event, const char *path) {
    for (size_t at = 0; at < event->len; at++) {
        if (cl_equal(event->ptr[at].path, path)) return &event->ptr[at].value;
    }
    return NULL;
}

cl_text cl_get_text(const cl_event *event, const char *path) {
    const cl_value *value = cl_get(event, path);
    return value && value->tag == CAIRNLOG_PLUGIN_EVENTS_VALUE_TEXT ? value->val.text : cl_str("");
}

// From nested JSON to attributes.

static cl_text copied(const cl_buffer *path) {
    return cl_str(cl_string((cl_text){(uint8_t *)path->ptr, path->len}));
}

static void cut(cl_buffer *path, size_t length) {
    path->len = length;
    path->ptr[length] = 0;
}

void cl_flatten_text(cl_builder *event, cl_buffer *path, cl_text text) {
    if (text.len <= CL_VALUE_BYTES_MAX) {
        push(event, copied(path), (cl_value){CAIRNLOG_PLUGIN_EVENTS_VALUE_TEXT, {.text = text}});
        return;
    }
    size_t base = path->len;
    for (size_t index = 0; text.len; index++) {
        size_t end = text.len < CL_VALUE_BYTES_MAX ? text.len : CL_VALUE_BYTES_MAX;
        while (end < text.len && (text.ptr[end] & 0xc0) == 0x80) end--;
        cl_push_index(path, index);
        cl_flatten_text(event, path, (cl_text){text.ptr, end});
        cut(path, base);
        text = (cl_text){text.ptr + end, text.len - end};
    }
}

static bool has_room(const cl_buffer *path, size_t segments, const cl_json *container) {
    if (segments >= CL_PATH_SEGMENTS_MAX) return false;
    if (container->type == CL_LIST) {
        size_t digits = 1;
        for (size_t rest = container->count; rest >= 10; rest /= 10) digits++;
        return path->len + digits + 2 <= CL_PATH_BYTES_MAX;
    }
    for (const cl_json *member = container->first; member; member = member->next) {
        // A quoted key's escapes take six bytes for one at most.
        size_t bytes = cl_is_bare(member->key) ? member->key.len + 1 : member->key.len * 6 + 4;
        if (path->len + bytes > CL_PATH_BYTES_MAX) return false;
    }
    return true;
}

static void flatten_container(cl_builder *event, cl_buffer *path, size_t segments, const cl_json *container) {
    size_t base = path->len, before = event->event.len, index = 0;
    for (const cl_json *inner = container->first; inner; inner = inner->next) {
        if (container->type == CL_OBJECT && inner->type == CL_NULL) continue;
        if (container->type == CL_OBJECT) cl_push_key(path, inner->key);
        else cl_push_index(path, index++);
        cl_flatten(event, path, segments + 1, inner);
        cut(path, base);
    }
    if (event->event.len > before) return;
    bool is_list = container->type == CL_LIST;
    uint8_t tag = is_list ? CAIRNLOG_PLUGIN_EVENTS_VALUE_EMPTY_LIST : CAIRNLOG_PLUGIN_EVENTS_VALUE_EMPTY_OBJECT;
    push(event, copied(path), (cl_value){tag, {0}});
}

void cl_flatten(cl_builder *event, cl_buffer *path, size_t segments, const cl_json *value) {
    switch (value->type) {
        case CL_NULL:
            cl_flatten_text(event, path, cl_str("null"));
            break;
        case CL_BOOLEAN:
            cl_add_boolean(event, (char *)copied(path).ptr, value->boolean);
            break;
        case CL_INTEGER:
            cl_add_integer(event, (char *)copied(path).ptr, value->integer);
            break;
        case CL_FLOAT:
            cl_add_float(event, (char *)copied(path).ptr, value->number);
            break;
        case CL_STRING:
            cl_flatten_text(event, path, value->text);
            break;
        case CL_LIST:
        case CL_OBJECT:
            if (!value->first || has_room(path, segments, value)) flatten_container(event, path, segments, value);
            else cl_flatten_text(event, path, cl_json_text(value));
            break;
    }
}

size_t cl_count(const cl_json *value) {
    size_t count = 0;
    for (const cl_json *inner = value->first; inner; inner = inner->next) count += cl_count(inner);
    return count ? count : 1;
}
