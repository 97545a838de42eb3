// The guest SDK for Cairnlog plugins in C. Copy this folder into a project as `sdk/`.
//
// A plugin defines `plugin_schema`, `plugin_configure` and the function of its kind, all declared at the end, and is
// compiled with `-Isdk -Isdk/<kind>`, so that bindings.h is that of its kind. Of the C library use what computes
// (string.h, ctype.h, math.h, `snprintf`, `strtod`, `qsort`). There is no clock, no file and no network: what needs one
// (`time`, `fopen`) makes a component that is refused, and `printf` writes nowhere.
//
// Memory is handed out front to back and never comes back: an instance lives for one batch. So nothing needs to be
// freed, and literals may be returned where the interface has a text.

#ifndef CAIRNLOG_H
#define CAIRNLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bindings.h"

/// UTF-8 of a length, without a zero at its end: `.ptr`, `.len`.
typedef plugin_string_t cl_text;
/// One attribute of an event: `.path`, and `.value` with its `.tag` (`CAIRNLOG_PLUGIN_EVENTS_VALUE_…`) and `.val`.
typedef cairnlog_plugin_events_attribute_t cl_attribute;
typedef cairnlog_plugin_events_value_t cl_value;
/// A list of attributes: `.ptr`, `.len`.
typedef cairnlog_plugin_events_event_t cl_event;

// The host's limits on what a plugin returns.
#define CL_PATH_BYTES_MAX 1024
#define CL_PATH_SEGMENTS_MAX 32
#define CL_ATTRIBUTES_MAX 4096
#define CL_VALUE_BYTES_MAX 65536

/// Zeroed memory; a trap if there is none left.
void *cl_alloc(size_t bytes);

/// Writes to the source's diagnostic ring; level is `CAIRNLOG_PLUGIN_HOST_LEVEL_…`.
void cl_log(uint8_t level, const char *message);

// Text.

/// The text of a string, not copied.
cl_text cl_str(const char *string);
bool cl_equal(cl_text text, const char *string);
/// A copy with a zero at its end.
char *cl_string(cl_text text);
/// Splits at every `separator`; says how many parts there are, of which `out` gets the first `capacity`.
size_t cl_split(cl_text text, char separator, cl_text *out, size_t capacity);
bool cl_is_utf8(cl_text bytes);
/// Bytes as text: a replacement character for each maximal part of a UTF-8 sequence that is none.
cl_text cl_decode_utf8(const uint8_t *bytes, size_t length);
/// Whether a text is a host name of at least two labels, the last not all digits.
bool cl_is_hostname(cl_text text);
/// Whether a text is an e-mail address with a dotted domain, in ASCII: OCSF's `email_t`.
bool cl_is_email(cl_text text);
/// Reads `2026-11-23T09:00:00.123456Z` or `2026-11-23T10:00:00+01:00`: milliseconds since the epoch, finer parts cut
/// off, and the zone in minutes east of UTC, which may be NULL. False for any other text.
bool cl_rfc3339(cl_text text, int64_t *ms, int *offset_minutes);

/// A text under construction.
typedef struct {
    char *ptr;
    size_t len, capacity;
} cl_buffer;

void cl_append(cl_buffer *buffer, const void *bytes, size_t length);
/// Appends as a JSON string, with RFC 8785's escapes.
void cl_append_quoted(cl_buffer *buffer, cl_text text);
/// Extends a path by an object's key, quoted where it must be and only there.
void cl_push_key(cl_buffer *path, cl_text key);
/// Extends a path by a list's index.
void cl_push_index(cl_buffer *path, size_t index);
/// Whether a key needs no quotes.
bool cl_is_bare(cl_text key);

// JSON as a source sent it.

typedef enum { CL_NULL, CL_BOOLEAN, CL_INTEGER, CL_FLOAT, CL_STRING, CL_LIST, CL_OBJECT } cl_json_type;

/// A value; a list's items and an object's members hang behind `first` by their `next`.
typedef struct cl_json {
    cl_json_type type;
    bool boolean;
    /// Only where the type is `CL_INTEGER`. Greater ones are `CL_STRING`s with the same digits.
    int64_t integer;
    double number;
    /// A string's text, a number's digits.
    cl_text text;
    /// As a member of an object.
    cl_text key;
    size_t count;
    struct cl_json *first, *next;
} cl_json;

/// Reads one JSON object. NULL, and a reason for a reject that is free of the record's text, if it is not UTF-8, not
/// JSON, not an object, or gives an object's key twice (of which one would be lost).
cl_json *cl_json_parse(const uint8_t *bytes, size_t length, const char **reason);
/// A member; NULL if there is none.
cl_json *cl_json_get(const cl_json *object, const char *key);
/// Removes a member if its value is of this type, so that it is not in `cl_add_unmapped`; NULL if there is none.
cl_json *cl_json_take(cl_json *object, const char *key, cl_json_type type);
cl_text cl_json_text(const cl_json *value);

// OCSF 1.8.0: the classes that access logs need, and their activities.

typedef struct {
    /// `class_uid`; its thousands are `category_uid`.
    int uid;
    /// The names of activities 1, 2, 3 and so on; 0 is Unknown and 99 Other in every class.
    int count;
    const char *const *activities;
} cl_class;

/// What a required text says when the source does not tell.
#define CL_UNKNOWN "unknown"

/// Account Change: a life cycle of accounts, `user` required.
extern const cl_class CL_ACCOUNT_CHANGE;
/// Authentication: `user`, and `service` or `dst_endpoint` required.
extern const cl_class CL_AUTHENTICATION;
/// Authorize Session: `user` and exactly one of `privileges` and `group` required.
extern const cl_class CL_AUTHORIZE_SESSION;
/// Entity Management: `entity` required.
extern const cl_class CL_ENTITY_MANAGEMENT;
/// User Access Management: `user` and `privileges` required.
extern const cl_class CL_USER_ACCESS;
/// Group Management: `group` required.
extern const cl_class CL_GROUP_MANAGEMENT;
/// Web Resources Activity: `web_resources` required.
extern const cl_class CL_WEB_RESOURCES_ACTIVITY;
/// API Activity: `actor`, `api.operation` and `src_endpoint` required.
extern const cl_class CL_API_ACTIVITY;
/// Datastore Activity: `actor`, `src_endpoint`, and one of `database`, `databucket` and `table` required.
extern const cl_class CL_DATASTORE_ACTIVITY;
/// File Hosting Activity: `actor`, `file` and `src_endpoint` required.
extern const cl_class CL_FILE_HOSTING;

// Building an event. Paths are given whole, as in OCSF (`actor.user.name`, `resources[0].uid`), each at most once.

typedef struct {
    cl_event event;
    size_t capacity;
} cl_builder;

/// Starts an event with what OCSF requires of all. `metadata.product.name` is left to the caller. An activity that the
/// class lacks is Unknown.
cl_builder cl_begin(const cl_class *ocsf_class, int activity, int64_t time_ms);
/// The same with another activity (99) in the source's word; an empty word is Unknown.
cl_builder cl_begin_other(const cl_class *ocsf_class, cl_text activity, int64_t time_ms);
void cl_add_text(cl_builder *event, const char *path, cl_text value);
void cl_add_integer(cl_builder *event, const char *path, int64_t value);
void cl_add_float(cl_builder *event, const char *path, double value);
void cl_add_boolean(cl_builder *event, const char *path, bool value);
/// Adds `status_id` and `status` of an HTTP response: a failure from 400 on, unknown outside 100 to 599.
void cl_add_http_status(cl_builder *event, int64_t code);
/// Adds a user's name, and its e-mail address if the name is one. `user` is the user's own path, `actor.user`.
void cl_add_user_name(cl_builder *event, const char *user, cl_text name);
/// Adds source JSON that has a place of its own, its containers flattened. `path` consists of bare segments.
void cl_add_json(cl_builder *event, const char *path, const cl_json *value);
/// Adds what is left of the source record under `unmapped`; in an event that would not fit, large members as text.
void cl_add_unmapped(cl_builder *event, const cl_json *rest);
/// NULL, or the limit of the host that the event exceeds, as a reason for a reject.
const char *cl_fault(const cl_builder *event);

// What an event has.

/// The value at a path; NULL if there is none.
const cl_value *cl_get(const cl_event *event, const char *path);
/// The text at a path; of length 0 if there is none.
cl_text cl_get_text(const cl_event *event, const char *path);

// What a plugin defines.

/// The JSON Schema of the config; NULL if the plugin takes none.
const char *plugin_schema(void);
/// NULL if the config is fine, else what is wrong with it. Called once for an instance, before anything else.
const char *plugin_configure(cl_text config);
/// For `plugin_configure` of plugins that take no config.
const char *cl_no_config(cl_text config);

#if defined(EXPORTS_CAIRNLOG_PLUGIN_NORMALIZER_OUTCOME_EVENTS)

/// A raw record: `.body`, `.content_type`, `.source`, `.received` (milliseconds, the only clock), `.attributes`.
typedef exports_cairnlog_plugin_normalizer_raw_t cl_raw;
typedef exports_cairnlog_plugin_normalizer_outcome_t cl_outcome;

/// The event, or a reject if a limit is exceeded.
cl_outcome cl_finish(const cl_builder *event);
/// Several events of one raw record, in order.
cl_outcome cl_finish_all(const cl_builder *events, size_t count);
/// Nothing in it worth a record, and why.
cl_outcome cl_skip(const char *reason);
/// Not understood, and why. A reason says what is wrong, never what the record holds.
cl_outcome cl_reject(const char *reason);

cl_outcome plugin_normalize(const cl_raw *record);

#elif defined(EXPORTS_CAIRNLOG_PLUGIN_REDACTOR_ACTION_DROP)

typedef exports_cairnlog_plugin_redactor_redaction_t cl_redaction;

typedef struct {
    exports_cairnlog_plugin_redactor_list_redaction_t list;
    size_t capacity;
} cl_redactions;

/// A range of a text's bytes, on character boundaries.
typedef struct {
    uint32_t start, end;
} cl_span;

/// Keep nothing of an attribute.
void cl_drop(cl_redactions *out, size_t attribute, const char *entity, const char *rule);
/// Put `[ENTITY]` in its place and keep so many characters of its end, at most 4 and never more than a quarter. `span`
/// is NULL for the whole value.
void cl_mask(
    cl_redactions *out, size_t attribute, uint8_t keep, const cl_span *span, const char *entity, const char *rule
);
/// Put a keyed token in its place: equal inputs of one entity stay equal.
void cl_pseudonymize(
    cl_redactions *out, size_t attribute, const cl_span *span, const char *entity, const char *rule
);

void plugin_redact(const cl_event *event, cl_redactions *out);

#else

typedef exports_cairnlog_plugin_retention_decision_t cl_decision;

cl_decision cl_decide(const char *retention_class, const char *rule);
/// Whose record it is, for classes that an event closes.
void cl_subject(cl_decision *decision, cl_text subject);
/// This event closes the records of that class and subject.
void cl_closes(cl_decision *decision, const char *retention_class);
/// The decision that no class fits: no log has a class of this name, so the record is quarantined.
cl_decision cl_no_class(void);

cl_decision plugin_decide(const cl_event *event);

#endif

#endif
