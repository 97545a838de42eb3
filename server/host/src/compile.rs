//! Compiling components, which the runtime does not bound: in this process for tools, in a child with limits for servers.
//!
//! A component that takes forever or gigabytes to compile is no bug to the runtime. So a server's uploads are compiled by a child
//! process with a limit of memory and processor time, which the parent ends when its time is up. The child is this same program; it
//! gets the component on standard input and answers on standard output: a byte 0 and the machine code, or a byte 1 and words.
//!
//! Machine code is trusted by whoever loads it. What the child made is kept in a folder of the server's own, named by the
//! component's digest and by what the engine is compatible with, behind an HMAC-SHA-256 that is checked before it is loaded.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use cairnlog_verify::Hash;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;
use zeroize::Zeroizing;

use crate::engine::engine_to_compile;
use crate::inspect::PluginFault;
use crate::limits::{ARTEFACT_BYTES_MAX, COMPONENT_BYTES_MAX, CompileLimits};

const GOOD: u8 = 0;
const BAD: u8 = 1;
const MAC_BYTES: usize = 32;

/// How a host compiles.
#[derive(Clone, Debug, Default)]
pub enum Compiling {
    /// In this process, without bounds: for a plugin's own author.
    #[default]
    Here,
    /// In a child process.
    Apart(Apart),
}

/// The program that compiles, and where what it made is kept.
#[derive(Clone, Debug)]
pub struct Apart {
    /// The program, which runs [`compile_child`] when it is given the arguments.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What it may take.
    pub limits: CompileLimits,
    /// Where machine code is kept, if anywhere.
    pub kept: Option<Artefacts>,
}

/// A folder of machine code.
///
/// `Debug` shows where it is, not the key.
#[derive(Clone)]
pub struct Artefacts {
    dir: PathBuf,
    key: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Artefacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Artefacts({})", self.dir.display())
    }
}

impl Artefacts {
    /// Machine code in `dir`, which must be the server's own, under a key that it alone has.
    #[must_use]
    pub fn new(dir: PathBuf, key: [u8; 32]) -> Self {
        Self { dir, key: Zeroizing::new(key) }
    }

    fn path(&self, engine: &Engine, digest: &[u8; 32]) -> PathBuf {
        self.dir.join(format!("{}-{:016x}", Hash(*digest).to_hex(), compatibility(engine)))
    }

    fn mac(&self, name: &Path, artefact: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&*self.key).expect("HMAC takes keys of any length");
        mac.chain_update(name.file_name().unwrap_or_default().as_encoded_bytes())
            .chain_update([0])
            .chain_update(artefact)
    }

    /// The machine code of a component, if it is there and is what was put there.
    fn get(&self, engine: &Engine, digest: &[u8; 32]) -> Option<Vec<u8>> {
        let path = self.path(engine, digest);
        let mut file = std::fs::read(&path).ok()?;
        let artefact = file.split_off(MAC_BYTES.min(file.len()));
        self.mac(&path, &artefact).verify_slice(&file).ok()?;
        Some(artefact)
    }

    /// Keeps machine code. That it can't be kept costs the next start its time, and nothing else.
    /// Forgets the machine code of components that `keeps` does not want, of whatever engine.
    fn retain(&self, keeps: impl Fn(&str) -> bool) {
        let files = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        for file in files {
            let name = file.file_name();
            // The key and whatever else lies there has no such name.
            let digest = name.to_str().and_then(|name| name.split_once('-')).map(|(digest, _)| digest);
            if digest.is_some_and(|digest| digest.len() == 64 && !keeps(digest)) {
                // What stays costs room and nothing else.
                let _ = std::fs::remove_file(file.path());
            }
        }
    }

    fn put(&self, engine: &Engine, digest: &[u8; 32], artefact: &[u8]) {
        let path = self.path(engine, digest);
        let mac = self.mac(&path, artefact).finalize().into_bytes();
        let partial = path.with_extension("partial");
        let written = std::fs::File::create(&partial).and_then(|mut file| {
            file.write_all(&mac)?;
            file.write_all(artefact)
        });
        if let Err(error) = written.and_then(|()| std::fs::rename(&partial, &path)) {
            tracing::warn!(%error, path = %path.display(), "machine code of a plugin can't be kept");
        }
    }
}

/// Why a component is not compiled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Uncompiled {
    /// Its own fault.
    Fault(PluginFault),
    /// The machine's: no child could be started, or what it made can't be loaded.
    Host(String),
}

impl Compiling {
    /// The component, compiled.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        wasm: &[u8],
        digest: &[u8; 32],
    ) -> Result<Component, Uncompiled> {
        let Self::Apart(apart) = self else { return here(engine, wasm) };
        if let Some(artefact) = apart.kept.as_ref().and_then(|kept| kept.get(engine, digest))
            && let Ok(component) = load(engine, &artefact)
        {
            return Ok(component);
        }
        let artefact = apart.compile(wasm)?;
        let component = load(engine, &artefact).map_err(|error| Uncompiled::Host(format!("{error:#}")))?;
        if let Some(kept) = &apart.kept {
            kept.put(engine, digest, &artefact);
        }
        Ok(component)
    }

    /// The same for a component that was compiled before: it is no bomb, so that the machine is slow today keeps it out of no
    /// server.
    pub(crate) fn known_component(
        &self,
        engine: &Engine,
        wasm: &[u8],
        digest: &[u8; 32],
    ) -> Result<Component, Uncompiled> {
        self.component(engine, wasm, digest).or_else(|_| here(engine, wasm))
    }

    /// Forgets the machine code of all components but these.
    pub(crate) fn retain(&self, digests: &[[u8; 32]]) {
        if let Self::Apart(Apart { kept: Some(kept), .. }) = self {
            let names: Vec<String> = digests.iter().map(|digest| Hash(*digest).to_hex()).collect();
            kept.retain(|name| names.iter().any(|known| known == name));
        }
    }
}

fn here(engine: &Engine, wasm: &[u8]) -> Result<Component, Uncompiled> {
    Component::from_binary(engine, wasm).map_err(|error| Uncompiled::Fault(refused(&format!("{error:#}"))))
}

/// Loads machine code that this program made: its child just now, or earlier, as the MAC showed.
#[allow(
    unsafe_code,
    reason = "the runtime has no other way to load machine code; it must be its own, and is"
)]
fn load(engine: &Engine, artefact: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes come from `Engine::precompile_component` in a child of this program, over its standard output, or
    // from a file whose MAC, under a key that only this server has, says that they did.
    unsafe { Component::deserialize(engine, artefact) }
}

impl Apart {
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, Uncompiled> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Uncompiled::Host(format!("no compiler can be started: {error}")))?;
        let answer = exchange(&mut child, &self.limits, wasm);
        // Whatever it is at now, nobody waits for it.
        let _ = child.kill();
        let _ = child.wait();
        match answer.as_deref().and_then(<[u8]>::split_first) {
            Some((&GOOD, artefact)) if !artefact.is_empty() => Ok(artefact.to_vec()),
            Some((&BAD, words)) => Err(Uncompiled::Fault(refused(&String::from_utf8_lossy(words)))),
            _ => Err(Uncompiled::Fault(PluginFault::new(
                "compile-limit",
                format!(
                    "compiling it takes more than {} s or {} MiB of memory; make it smaller",
                    self.limits.secs_max,
                    self.limits.bytes_max >> 20
                ),
            ))),
        }
    }
}

/// Hands the component over and takes the answer; none where it does not come in time, or not whole.
fn exchange(child: &mut Child, limits: &CompileLimits, wasm: &[u8]) -> Option<Vec<u8>> {
    let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
    let (sender, answer) = mpsc::channel();
    std::thread::scope(|threads| {
        threads.spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(ARTEFACT_BYTES_MAX + 1).read_to_end(&mut bytes);
            // Who does not wait any more needs no answer.
            let _ =
                sender.send(read.ok().filter(|_| bytes.len() as u64 <= ARTEFACT_BYTES_MAX).map(|_| bytes));
        });
        // If the child is gone, what is missing is its answer.
        threads.spawn(move || {
            stdin.write_all(&limits.bytes_max.to_be_bytes())?;
            stdin.write_all(&limits.secs_max.to_be_bytes())?;
            stdin.write_all(wasm)
        });
        let answer = answer.recv_timeout(limits.wait_max).ok().flatten();
        // Both threads end with it.
        let _ = child.kill();
        answer
    })
}

/// What the child does: reads from standard input what it may take (u64be bytes of address space, u64be seconds of processor time)
/// and a component, and writes its machine code, or why there is none, to standard output. It bounds itself before it reads a byte of
/// the component.
///
/// # Errors
/// As the system refuses limits, or the parent is gone.
pub fn compile_child() -> io::Result<()> {
    let mut limits = [[0; 8]; 2];
    io::stdin().lock().read_exact(limits.as_flattened_mut())?;
    bound(limits.map(u64::from_be_bytes))?;
    let mut wasm = Vec::new();
    io::stdin().lock().take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut wasm)?;
    let compiled = engine_to_compile().and_then(|engine| engine.precompile_component(&wasm));
    let (code, bytes) = match compiled {
        Ok(artefact) => (GOOD, artefact),
        Err(error) => (BAD, format!("{error:#}").into_bytes()),
    };
    let mut out = io::stdout().lock();
    out.write_all(&[code])?;
    out.write_all(&bytes)?;
    out.flush()
}

fn bound([bytes_max, secs_max]: [u64; 2]) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = [(Resource::As, bytes_max), (Resource::Cpu, secs_max), (Resource::Core, 0)];
    for (resource, most) in limits {
        // A limit that is lower already can't be raised.
        let most = getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

fn refused(words: &str) -> PluginFault {
    PluginFault::new("cannot-compile", crate::text::cut(words, crate::limits::MESSAGE_BYTES_MAX))
}

/// What machine code depends on besides the component: the runtime, its settings, the processor.
fn compatibility(engine: &Engine) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::engine::engine;
    use crate::limits::HostLimits;

    const COMPONENT: &[u8] = b"(component (core module (func (export \"f\"))))";

    #[test]
    fn what_a_child_compiles_a_host_can_load() {
        let limits = HostLimits { instances: 1, ..HostLimits::default() };
        let (host, child) = (engine(&limits).unwrap(), engine_to_compile().unwrap());
        assert_eq!(compatibility(&host), compatibility(&child));
        let artefact = child.precompile_component(&wat::parse_bytes(COMPONENT).unwrap()).unwrap();
        load(&host, &artefact).unwrap();
    }

    #[test]
    fn kept_machine_code_is_taken_back_only_as_it_was_put() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(&HostLimits { instances: 1, ..HostLimits::default() }).unwrap();
        let kept = Artefacts::new(dir.path().to_path_buf(), [7; 32]);
        let (digest, other) = ([1; 32], [2; 32]);
        assert_eq!(kept.get(&engine, &digest), None);
        kept.put(&engine, &digest, b"machine code");
        assert_eq!(kept.get(&engine, &digest).unwrap(), b"machine code");
        assert_eq!(
            Artefacts::new(dir.path().to_path_buf(), [8; 32]).get(&engine, &digest),
            None,
            "another key"
        );
        let path = kept.path(&engine, &digest);
        std::fs::copy(&path, kept.path(&engine, &other)).unwrap();
        assert_eq!(kept.get(&engine, &other), None, "another component's");
        let bytes = std::fs::read(&path).unwrap();
        for place in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[place] ^= 1;
            std::fs::write(&path, altered).unwrap();
            assert_eq!(kept.get(&engine, &digest), None, "byte {place}");
        }
        std::fs::write(&path, &bytes[..20]).unwrap();
        assert_eq!(kept.get(&engine, &digest), None, "cut off");
        std::fs::write(&path, &bytes).unwrap();
        std::fs::write(dir.path().join("key"), "k").unwrap();
        kept.retain(|name| name == Hash(digest).to_hex());
        assert!(kept.get(&engine, &digest).is_some() && !kept.path(&engine, &other).exists());
        kept.retain(|_| false);
        assert!(!path.exists() && dir.path().join("key").exists());
    }

    #[test]
    fn a_child_that_does_not_answer_as_it_should_is_a_limit_and_no_more() {
        for script in ["exit 3", "printf 'x'", "printf '\\000'", "exec cat >/dev/null; exit 0"] {
            let apart = Apart {
                program: "/bin/sh".into(),
                arguments: ["-c", script].map(OsString::from).to_vec(),
                limits: CompileLimits::default(),
                kept: None,
            };
            let Err(Uncompiled::Fault(fault)) = apart.compile(&vec![0; 1 << 20]) else { panic!("{script}") };
            assert_eq!(fault.code, "compile-limit", "{script}");
        }
        let says = Apart {
            program: "/bin/sh".into(),
            arguments: ["-c", "cat >/dev/null; printf '\\001no'"].map(OsString::from).to_vec(),
            limits: CompileLimits::default(),
            kept: None,
        };
        assert_eq!(says.compile(b"x"), Err(Uncompiled::Fault(refused("no"))));
        let missing = Apart {
            program: "/not/there".into(),
            arguments: Vec::new(),
            limits: CompileLimits::default(),
            kept: None,
        };
        assert!(matches!(missing.compile(b"x"), Err(Uncompiled::Host(_))));
    }
}
