//! `docs/plugin-interfaces.md` is the WIT's own words. `CAIRNLOG_BLESS=1 cargo test … --test reference` writes it anew.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::PathBuf;

use cairnlog_verify::entry::Digest;
use wit_parser::{Docs, Function, Interface, Resolve, Type, TypeDef, TypeDefKind};

const HEAD: &str = "\
# The plugin interfaces

Made from [wit/v1](../wit/v1/cairnlog-plugin.wit), whose words these are; [plugins.md](plugins.md) says how to use them. Within a
major version functions may be added to `host`; everything else is frozen. Another version is another folder, and the server goes
on to run plugins of the earlier ones.
";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn words(docs: &Docs) -> String {
    docs.contents.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn name_of(resolve: &Resolve, of: &Type) -> String {
    match of {
        Type::Bool => "bool".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::F64 => "f64".to_owned(),
        Type::String => "string".to_owned(),
        Type::Id(id) => {
            let def = &resolve.types[*id];
            def.name.clone().unwrap_or_else(|| kind_of(resolve, def))
        }
        other => panic!("the interfaces use {other:?} by now"),
    }
}

fn kind_of(resolve: &Resolve, def: &TypeDef) -> String {
    let name = |of: &Type| name_of(resolve, of);
    match &def.kind {
        TypeDefKind::List(of) => format!("list<{}>", name(of)),
        TypeDefKind::Option(of) => format!("option<{}>", name(of)),
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types.iter().map(name).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Result(result) => {
            let part = |of: &Option<Type>| of.as_ref().map_or_else(|| "_".to_owned(), name);
            format!("result<{}, {}>", part(&result.ok), part(&result.err))
        }
        TypeDefKind::Type(of) => name(of),
        other => panic!("the interfaces use {other:?} by now"),
    }
}

fn write_function(out: &mut String, resolve: &Resolve, function: &Function) {
    let params =
        function.params.iter().map(|param| format!("{}: {}", param.name, name_of(resolve, &param.ty)));
    let params = params.collect::<Vec<_>>().join(", ");
    let result =
        function.result.as_ref().map_or_else(String::new, |of| format!(" -> {}", name_of(resolve, of)));
    writeln!(out, "\n**`{}: func({params}){result}`**\n", function.name).unwrap();
    writeln!(out, "{}", words(&function.docs)).unwrap();
}

fn write_type(out: &mut String, resolve: &Resolve, def: &TypeDef) {
    let name = def.name.as_deref().unwrap();
    let rows: Vec<(String, String, String)> = match &def.kind {
        TypeDefKind::Record(record) => {
            let field = |field: &wit_parser::Field| {
                (field.name.clone(), name_of(resolve, &field.ty), words(&field.docs))
            };
            writeln!(out, "\n### record `{name}`\n\n{}\n", words(&def.docs)).unwrap();
            record.fields.iter().map(field).collect()
        }
        TypeDefKind::Variant(variant) => {
            let case = |case: &wit_parser::Case| {
                let of = case.ty.as_ref().map_or_else(String::new, |of| name_of(resolve, of));
                (case.name.clone(), of, words(&case.docs))
            };
            writeln!(out, "\n### variant `{name}`\n\n{}\n", words(&def.docs)).unwrap();
            variant.cases.iter().map(case).collect()
        }
        TypeDefKind::Enum(of) => {
            writeln!(out, "\n### enum `{name}`\n\n{}\n", words(&def.docs)).unwrap();
            of.cases.iter().map(|case| (case.name.clone(), String::new(), words(&case.docs))).collect()
        }
        // Taken from another interface.
        TypeDefKind::Type(Type::Id(_)) => return,
        _ => {
            writeln!(out, "\n### type `{name}` = `{}`\n\n{}\n", kind_of(resolve, def), words(&def.docs))
                .unwrap();
            return;
        }
    };
    writeln!(out, "| | | |\n| --- | --- | --- |").unwrap();
    for (name, of, docs) in rows {
        let of = if of.is_empty() { of } else { format!("`{of}`") };
        writeln!(out, "| `{name}` | {of} | {docs} |").unwrap();
    }
}

fn write_interface(out: &mut String, resolve: &Resolve, interface: &Interface) {
    writeln!(out, "\n## {}\n\n{}", interface.name.as_deref().unwrap(), words(&interface.docs)).unwrap();
    for id in interface.types.values() {
        write_type(out, resolve, &resolve.types[*id]);
    }
    for function in interface.functions.values() {
        write_function(out, resolve, function);
    }
}

#[test]
fn the_reference_is_what_the_interfaces_say() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit/v1")).unwrap();
    let mut text = HEAD.to_owned();
    for id in resolve.packages[package].interfaces.values() {
        write_interface(&mut text, &resolve, &resolve.interfaces[*id]);
    }
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    let path = root().join("docs/plugin-interfaces.md");
    if std::env::var_os("CAIRNLOG_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "bless it");
}

/// What every plugin of version 1 was built against, but for what `host` may be given more of: its digest, without words and blanks.
const FROZEN: &str = "sha256:e001e1758b08a3181a1e43b1b84ddbf34b25dbec6872b8e330cd297e5d1772e2";

#[test]
fn what_is_out_never_changes_but_for_what_host_lends() {
    let text = std::fs::read_to_string(root().join("wit/v1/cairnlog-plugin.wit")).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code: String = lines.flat_map(str::chars).filter(|letter| !letter.is_whitespace()).collect();
    let (before, rest) = code.split_once("interfacehost{").unwrap();
    let (host, after) = rest.split_once("log:func(level:level,message:string);").unwrap();
    assert!(host.ends_with("enumlevel{debug,info,warn,error}"), "{host}");
    let (_more, after) = after.split_once('}').unwrap();
    assert_eq!(
        Digest::of(format!("{before}{after}").as_bytes()).to_string(),
        FROZEN,
        "a change is another version: another package, in a folder beside wit/v1"
    );
}
