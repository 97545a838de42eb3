// The component's exports, and its memory.

#include <stdlib.h>
#include <string.h>

#include "cairnlog.h"

#if defined(__wasm__)

#include <wasi/api.h>

// Replaces the C library's: memory goes out front to back and never comes back, since an instance lives for one batch.
// The bindings free what was returned after each call; that is nothing then, so literals may be returned too.

#define PAGE_BYTES 65536
#define ALIGN 16

extern unsigned char __heap_base;
static uintptr_t next_free;

void *malloc(size_t bytes) {
    if (!next_free) next_free = ((uintptr_t)&__heap_base + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    // In front of each block is its size, for `realloc`.
    uintptr_t start = next_free + ALIGN, memory_end = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE_BYTES;
    if (bytes > UINTPTR_MAX - start - PAGE_BYTES) return NULL;
    uintptr_t end = (start + bytes + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    if (end > memory_end) {
        size_t pages = (end - memory_end + PAGE_BYTES - 1) / PAGE_BYTES;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) return NULL;
    }
    *(size_t *)(start - ALIGN) = bytes;
    next_free = end;
    return (void *)start;
}

void free(void *block) {
    (void)block;
}

void *calloc(size_t count, size_t bytes) {
    // Fresh memory is zero.
    return bytes && count > SIZE_MAX / bytes ? NULL : malloc(count * bytes);
}

void *realloc(void *block, size_t bytes) {
    void *moved = malloc(bytes);
    if (block && moved) {
        size_t kept = *(size_t *)((uintptr_t)block - ALIGN);
        memcpy(moved, block, kept < bytes ? kept : bytes);
    }
    return moved;
}

// What the C library's `snprintf` and `strtod` link but never call: without these the component would import WASI and
// be refused. Whoever uses more of WASI gets the library's own, and a refusal that names it.

#define WEAK __attribute__((weak))

WEAK __wasi_errno_t __wasi_fd_close(__wasi_fd_t fd) {
    (void)fd;
    return __WASI_ERRNO_BADF;
}

WEAK __wasi_errno_t __wasi_fd_seek(
    __wasi_fd_t fd, __wasi_filedelta_t offset, __wasi_whence_t whence, __wasi_filesize_t *at
) {
    (void)fd, (void)offset, (void)whence, (void)at;
    return __WASI_ERRNO_BADF;
}

WEAK __wasi_errno_t __wasi_fd_write(__wasi_fd_t fd, const __wasi_ciovec_t *from, size_t count, __wasi_size_t *written) {
    (void)fd, (void)from, (void)count, (void)written;
    return __WASI_ERRNO_BADF;
}

WEAK __wasi_errno_t __wasi_fd_fdstat_get(__wasi_fd_t fd, __wasi_fdstat_t *stat) {
    (void)fd, (void)stat;
    return __WASI_ERRNO_BADF;
}

WEAK _Noreturn void __wasi_proc_exit(__wasi_exitcode_t code) {
    (void)code;
    __builtin_trap();
}

#endif

const char *cl_no_config(cl_text config) {
    const char *reason;
    cl_text rest = config;
    while (rest.len && strchr(" \t\r\n", rest.ptr[rest.len - 1])) rest.len--;
    while (rest.len && strchr(" \t\r\n", rest.ptr[0])) rest = (cl_text){rest.ptr + 1, rest.len - 1};
    cl_json *object = cl_json_parse(rest.ptr, rest.len, &reason);
    bool empty = !rest.len || cl_equal(rest, "null") || (object && !object->first);
    return empty ? NULL : "this plugin takes no config: leave it out or give {}";
}

bool exports_cairnlog_plugin_settings_schema(plugin_string_t *schema) {
    const char *text = plugin_schema();
    if (text) *schema = cl_str(text);
    return text != NULL;
}

bool exports_cairnlog_plugin_settings_configure(plugin_string_t *config, plugin_string_t *error) {
    static bool configured;
    const char *fault = configured ? "the plugin is configured already" : plugin_configure(*config);
    if (fault) *error = cl_str(fault);
    configured = configured || !fault;
    return !fault;
}

#if defined(EXPORTS_CAIRNLOG_PLUGIN_NORMALIZER_OUTCOME_EVENTS)

cl_outcome cl_finish_all(const cl_builder *events, size_t count) {
    cl_event *list = cl_alloc(count * sizeof *list);
    for (size_t at = 0; at < count; at++) {
        const char *fault = cl_fault(&events[at]);
        if (fault) return cl_reject(fault);
        list[at] = events[at].event;
    }
    return (cl_outcome){EXPORTS_CAIRNLOG_PLUGIN_NORMALIZER_OUTCOME_EVENTS, {.events = {list, count}}};
}

cl_outcome cl_finish(const cl_builder *event) {
    return cl_finish_all(event, 1);
}

cl_outcome cl_skip(const char *reason) {
    return (cl_outcome){EXPORTS_CAIRNLOG_PLUGIN_NORMALIZER_OUTCOME_SKIP, {.skip = cl_str(reason)}};
}

cl_outcome cl_reject(const char *reason) {
    return (cl_outcome){EXPORTS_CAIRNLOG_PLUGIN_NORMALIZER_OUTCOME_REJECT, {.reject = cl_str(reason)}};
}

void exports_cairnlog_plugin_normalizer_normalize(
    exports_cairnlog_plugin_normalizer_list_raw_t *batch, exports_cairnlog_plugin_normalizer_list_outcome_t *outcomes
) {
    outcomes->len = batch->len;
    outcomes->ptr = cl_alloc(batch->len * sizeof *outcomes->ptr);
    for (size_t at = 0; at < batch->len; at++) outcomes->ptr[at] = plugin_normalize(&batch->ptr[at]);
}

#elif defined(EXPORTS_CAIRNLOG_PLUGIN_REDACTOR_ACTION_DROP)

static void push(
    cl_redactions *out, size_t attribute, uint8_t action, uint8_t keep, const cl_span *span, const char *entity,
    const char *rule
) {
    if (out->list.len == out->capacity) {
        size_t capacity = out->capacity ? 2 * out->capacity : 16;
        cl_redaction *grown = cl_alloc(capacity * sizeof *grown);
        if (out->list.len) memcpy(grown, out->list.ptr, out->list.len * sizeof *grown);
        out->list.ptr = grown;
        out->capacity = capacity;
    }
    cl_redaction *one = &out->list.ptr[out->list.len++];
    one->attribute = (uint32_t)attribute;
    one->action.tag = action;
    one->action.val.mask = keep;
    one->span.is_some = span != NULL;
    if (span) {
        one->span.val.f0 = span->start;
        one->span.val.f1 = span->end;
    }
    one->entity = cl_str(entity);
    one->rule = cl_str(rule);
}

void cl_drop(cl_redactions *out, size_t attribute, const char *entity, const char *rule) {
    push(out, attribute, EXPORTS_CAIRNLOG_PLUGIN_REDACTOR_ACTION_DROP, 0, NULL, entity, rule);
}

void cl_mask(
    cl_redactions *out, size_t attribute, uint8_t keep, const cl_span *span, const char *entity, const char *rule
) {
    push(out, attribute, EXPORTS_CAIRNLOG_PLUGIN_REDACTOR_ACTION_MASK, keep, span, entity, rule);
}

void cl_pseudonymize(
    cl_redactions *out, size_t attribute, const cl_span *span, const char *entity, const char *rule
) {
    push(out, attribute, EXPORTS_CAIRNLOG_PLUGIN_REDACTOR_ACTION_PSEUDONYMIZE, 0, span, entity, rule);
}

void exports_cairnlog_plugin_redactor_redact(
    exports_cairnlog_plugin_redactor_list_event_t *batch, exports_cairnlog_plugin_redactor_list_list_redaction_t *lists
) {
    lists->len = batch->len;
    lists->ptr = cl_alloc(batch->len * sizeof *lists->ptr);
    for (size_t at = 0; at < batch->len; at++) {
        cl_redactions out = {0};
        plugin_redact(&batch->ptr[at], &out);
        lists->ptr[at] = out.list;
    }
}

#else

cl_decision cl_decide(const char *retention_class, const char *rule) {
    return (cl_decision){.class_ = cl_str(retention_class), .rule = cl_str(rule)};
}

void cl_subject(cl_decision *decision, cl_text subject) {
    decision->subject.is_some = true;
    decision->subject.val = subject;
}

void cl_closes(cl_decision *decision, const char *retention_class) {
    decision->closes.is_some = true;
    decision->closes.val = cl_str(retention_class);
}

cl_decision cl_no_class(void) {
    return cl_decide("no-retention-class", "no rule fits");
}

void exports_cairnlog_plugin_retention_decide(
    exports_cairnlog_plugin_retention_list_event_t *batch, exports_cairnlog_plugin_retention_list_decision_t *decisions
) {
    decisions->len = batch->len;
    decisions->ptr = cl_alloc(batch->len * sizeof *decisions->ptr);
    for (size_t at = 0; at < batch->len; at++) decisions->ptr[at] = plugin_decide(&batch->ptr[at]);
}

#endif
