//! What `wit-bindgen` makes of `wit/v1`: one module for each interface that a plugin may export, so that a component exports
//! just those it plays a part in; their worlds are merged when the component is made. The only unsafe code of a plugin is in here.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::all,
    reason = "generated code"
)]

pub mod settings {
    wit_bindgen::generate!({
        path: "../../wit/v1",
        inline: "package cairnlog:sdk; world settings-part { import cairnlog:plugin/host@1.0.0; export cairnlog:plugin/settings@1.0.0; }",
        world: "cairnlog:sdk/settings-part",
        pub_export_macro: true,
        export_macro_name: "export_component",
        generate_all,
    });
}

pub mod normalizer {
    wit_bindgen::generate!({
        path: "../../wit/v1",
        inline: "package cairnlog:sdk; world normalizer-part { export cairnlog:plugin/normalizer@1.0.0; }",
        world: "cairnlog:sdk/normalizer-part",
        pub_export_macro: true,
        export_macro_name: "export_component",
        additional_derives: [PartialEq],
        generate_all,
    });
}

pub mod redactor {
    wit_bindgen::generate!({
        path: "../../wit/v1",
        inline: "package cairnlog:sdk; world redactor-part { export cairnlog:plugin/redactor@1.0.0; }",
        world: "cairnlog:sdk/redactor-part",
        pub_export_macro: true,
        export_macro_name: "export_component",
        additional_derives: [PartialEq],
        with: { "cairnlog:plugin/events@1.0.0": crate::bindings::normalizer::cairnlog::plugin::events },
    });
}

pub mod retention {
    wit_bindgen::generate!({
        path: "../../wit/v1",
        inline: "package cairnlog:sdk; world retention-part { export cairnlog:plugin/retention@1.0.0; }",
        world: "cairnlog:sdk/retention-part",
        pub_export_macro: true,
        export_macro_name: "export_component",
        additional_derives: [PartialEq],
        with: { "cairnlog:plugin/events@1.0.0": crate::bindings::normalizer::cairnlog::plugin::events },
    });
}

pub use normalizer::cairnlog::plugin::events::{Attribute, Value};
pub use normalizer::exports::cairnlog::plugin::normalizer::{Outcome, Raw};
pub use redactor::exports::cairnlog::plugin::redactor::{Action, Redaction};
pub use retention::exports::cairnlog::plugin::retention::Decision;
