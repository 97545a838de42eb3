//! Builds the chameleon: a plugin that does what its input says, however hostile.

use std::path::Path;

/// A value of an attribute in a return.
#[derive(Clone, Copy)]
pub(crate) enum Scalar<'a> {
    Null,
    Integer(i64),
    Float(f64),
    Text(&'a str),
}

/// A pointer and a length, as the canonical ABI passes strings and lists.
type Slice = (u32, u32);

/// What a redaction returns: attribute, span, action (0 drop, 1 mask, 2 pseudonymize), kept characters.
pub(crate) type RedactionSpec = (u32, Option<(u32, u32)>, u8, u8);

const CLOCK: &str = r#"(import "wasi:clocks/wall-clock@0.2.6" "now" (func $now (result i64)))"#;
const TELL: &str = "(if (i32.eq (local.get $code) (i32.const 0x74)) (then (drop (call $now))))";

const TABLES: usize = 4096;
const OUTCOMES: usize = 4096;
const REDACTIONS: usize = 8192;
const DECISIONS: usize = 12_288;
const DATA: usize = 32_768;

/// A sound event of OCSF's class Authentication.
pub(crate) const SOUND: &[(&str, Scalar<'_>)] = &[
    ("activity_id", Scalar::Integer(1)),
    ("category_uid", Scalar::Integer(3)),
    ("class_uid", Scalar::Integer(3002)),
    ("metadata.product.name", Scalar::Text("Test")),
    ("metadata.version", Scalar::Text("1.8.0")),
    ("severity_id", Scalar::Integer(1)),
    ("time", Scalar::Integer(1_700_000_000_000)),
    ("type_uid", Scalar::Integer(300_201)),
];

/// The chameleon's memory from 4096 on: what it returns for which byte.
pub(crate) struct Chameleon {
    memory: Vec<u8>,
    schema: u32,
    refusal: u32,
    start: &'static str,
    configure: &'static str,
    has_clock: bool,
}

impl Chameleon {
    /// Returns a skip for every byte not told otherwise, no redactions, and the class `default`.
    pub(crate) fn new() -> Self {
        let mut new = Self {
            memory: vec![0; DATA - TABLES],
            schema: 0,
            refusal: 0,
            start: "",
            configure: "",
            has_clock: false,
        };
        // The log message of `o`: three thousand letters, at 32768.
        new.put(&[b'o'; 3000]);
        let none = new.put(&[0; 12]);
        new.schema = none;
        let words = new.text("not like this");
        new.refusal = new.record(&[1, words.0, words.1]);
        let skip = new.text("nothing in it");
        let (class, rule) = (new.text("default"), new.text("rules[0]"));
        for code in 0..=255 {
            new.set(OUTCOMES, 12, code, &[1, skip.0, skip.1]);
            new.set(DECISIONS, 40, code, &[class.0, class.1, 0, 0, 0, 0, 0, 0, rule.0, rule.1]);
        }
        let reject = new.text("second of its instance");
        new.set(OUTCOMES, 12, b'x', &[2, reject.0, reject.1]);
        new
    }

    pub(crate) fn schema(mut self, schema: &str) -> Self {
        let text = self.text(schema);
        self.schema = self.record(&[1, text.0, text.1]);
        self
    }

    /// Traps as soon as it is instantiated.
    pub(crate) fn trapping_start(mut self) -> Self {
        self.start = "(func $start unreachable) (start $start)";
        self
    }

    /// Imports a clock of WASI's, and asks it for the time on a `t`.
    pub(crate) fn with_clock(mut self) -> Self {
        self.has_clock = true;
        self
    }

    /// Traps as soon as it is configured.
    pub(crate) fn trapping_configure(mut self) -> Self {
        self.configure = "unreachable";
        self
    }

    pub(crate) fn events(mut self, code: u8, events: &[&[(&str, Scalar<'_>)]]) -> Self {
        let lists: Vec<u32> =
            events.iter().flat_map(|event| <[u32; 2]>::from(self.attributes(event))).collect();
        let list = self.record(&lists);
        let len = u32::try_from(events.len()).unwrap();
        self.set(OUTCOMES, 12, code, &[0, list, len]);
        self
    }

    /// Returns an outcome's three raw words, whatever they mean.
    pub(crate) fn outcome(mut self, code: u8, words: [u32; 3]) -> Self {
        self.set(OUTCOMES, 12, code, &words);
        self
    }

    pub(crate) fn redactions(mut self, code: u8, redactions: &[RedactionSpec]) -> Self {
        let (entity, rule) = (self.text("NAME"), self.text("rules[0]"));
        let mut words = Vec::new();
        for (attribute, span, action, keep) in redactions {
            let (some, from, to) = span.map_or((0, 0, 0), |(from, to)| (1, from, to));
            let action = u32::from_le_bytes([*action, *keep, 0, 0]);
            words.extend([*attribute, some, from, to, action, entity.0, entity.1, rule.0, rule.1]);
        }
        let list = self.record(&words);
        self.set(REDACTIONS, 8, code, &[list, u32::try_from(redactions.len()).unwrap()]);
        self
    }

    pub(crate) fn class(mut self, code: u8, class: &str) -> Self {
        let (class, rule) = (self.text(class), self.text("rules[1]"));
        self.set(DECISIONS, 40, code, &[class.0, class.1, 0, 0, 0, 0, 0, 0, rule.0, rule.1]);
        self
    }

    /// The core module, ready to be made a component.
    pub(crate) fn core(&self) -> Vec<u8> {
        let data = self.memory.iter().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
        let wat = include_str!("../fixtures/chameleon.wat")
            .replace("(i32.const $SCHEMA)", &format!("(i32.const {})", self.schema))
            .replace("(i32.const $REFUSAL)", &format!("(i32.const {})", self.refusal))
            .replace("  $CLOCK", if self.has_clock { CLOCK } else { "" })
            .replace("    $TELL", if self.has_clock { TELL } else { "" })
            .replace("  $START", self.start)
            .replace("    $CONFIGURE", self.configure)
            .replace("\"$DATA\"", &format!("\"{data}\""));
        embed(&wat::parse_str(wat).unwrap(), self.has_clock)
    }

    /// The address of `count` copies of one event whose only path has `bytes` letters.
    pub(crate) fn repeated_event(&mut self, bytes: usize, count: u32) -> u32 {
        let path = self.put(&vec![b'a'; bytes]);
        let attribute = self.record(&[path, u32::try_from(bytes).unwrap(), 0, 0, 0, 0]);
        let lists: Vec<u32> = (0..count).flat_map(|_| [attribute, 1]).collect();
        self.record(&lists)
    }

    /// The address of these bytes.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> u32 {
        self.memory.resize(self.memory.len().next_multiple_of(8), 0);
        let at = TABLES + self.memory.len();
        self.memory.extend_from_slice(bytes);
        assert!(TABLES + self.memory.len() <= 524_288, "the heap starts there");
        u32::try_from(at).unwrap()
    }

    fn text(&mut self, text: &str) -> Slice {
        (self.put(text.as_bytes()), u32::try_from(text.len()).unwrap())
    }

    fn record(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&bytes)
    }

    fn attributes(&mut self, event: &[(&str, Scalar<'_>)]) -> Slice {
        let mut words = Vec::new();
        for (path, value) in event {
            let path = self.text(path);
            let (case, payload) = match value {
                Scalar::Null => (0, [0; 8]),
                Scalar::Integer(integer) => (2, integer.to_le_bytes()),
                Scalar::Float(float) => (3, float.to_le_bytes()),
                Scalar::Text(text) => {
                    let (at, len) = self.text(text);
                    (4, (u64::from(at) | u64::from(len) << 32).to_le_bytes())
                }
            };
            let (low, high) = payload.split_at(4);
            let word = |half: &[u8]| u32::from_le_bytes(half.try_into().unwrap());
            words.extend([path.0, path.1, case, 0, word(low), word(high)]);
        }
        (self.record(&words), u32::try_from(event.len()).unwrap())
    }

    fn set(&mut self, table: usize, size: usize, code: u8, words: &[u32]) {
        let at = table - TABLES + size * usize::from(code);
        for (index, word) in words.iter().enumerate() {
            self.memory[at + 4 * index..][..4].copy_from_slice(&word.to_le_bytes());
        }
    }
}

/// Adds the component type of a plugin of every role to a core module.
fn embed(core: &[u8], has_clock: bool) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/v1")).unwrap();
    let world = "package test:test;
        world every-role {
            include cairnlog:plugin/normalizer-plugin@1.0.0;
            include cairnlog:plugin/redactor-plugin@1.0.0;
            include cairnlog:plugin/retention-plugin@1.0.0;
        }";
    resolve
        .push_str("wasi.wit", "package wasi:clocks@0.2.6; interface wall-clock { now: func() -> u64; }")
        .unwrap();
    let clock = if has_clock { "import wasi:clocks/wall-clock@0.2.6; include" } else { "include" };
    let world = world.replacen("include", clock, 1);
    let package = resolve.push_str("test.wit", &world).unwrap();
    let world = resolve.select_world(&[package], Some("every-role")).unwrap();
    let mut module = core.to_vec();
    wit_component::embed_component_metadata(
        &mut module,
        &resolve,
        world,
        wit_component::StringEncoding::UTF8,
    )
    .unwrap();
    module
}
