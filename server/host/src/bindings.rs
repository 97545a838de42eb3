//! The interfaces of `wit/v1` as wasmtime sees them. Nothing outside this crate sees these types.
//!
//! One world stands for all three: a component exports some of the interfaces, and the indices of each are looked up
//! by themselves.
#![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../../wit/v1",
    inline: "
        package cairnlog:host;
        world every-role {
            include cairnlog:plugin/normalizer-plugin@1.0.0;
            include cairnlog:plugin/redactor-plugin@1.0.0;
            include cairnlog:plugin/retention-plugin@1.0.0;
        }
    ",
    world: "cairnlog:host/every-role",
    ownership: Borrowing { duplicate_if_necessary: true },
});
