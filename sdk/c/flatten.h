// Between event.c's own parts, and for its tests.

#ifndef CAIRNLOG_FLATTEN_H
#define CAIRNLOG_FLATTEN_H

#include "cairnlog.h"

/// Attributes that one source member may become before it is kept as JSON text, in an event that would not fit.
#define CL_MEMBER_ATTRIBUTES_MAX 256

/// Adds the attributes of a JSON value behind a path of so many segments. Nulls are left out of objects; in a list one
/// keeps its place as the text `null`. What would be too deep or have too long a path becomes JSON text.
void cl_flatten(cl_builder *event, cl_buffer *path, size_t segments, const cl_json *value);
/// Adds a text, one beyond the limit as a list of pieces.
void cl_flatten_text(cl_builder *event, cl_buffer *path, cl_text text);
/// How many attributes a value becomes, at most.
size_t cl_count(const cl_json *value);

#endif
